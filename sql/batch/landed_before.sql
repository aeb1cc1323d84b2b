-- A vendor that had nothing to land may land later.
SELECT rows FROM extractions
WHERE batch_id = %(batch_id)s AND source = %(source)s AND rows > 0;
