SELECT rows FROM extractions
WHERE batch_id = %(batch_id)s AND source = %(source)s AND rows IS NOT NULL;
