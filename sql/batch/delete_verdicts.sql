DELETE FROM product_verdicts
WHERE batch_id = %(batch_id)s
  AND raw_part(raw_id) >= %(first)s AND raw_part(raw_id) < %(last)s;
