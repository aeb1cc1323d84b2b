SELECT source FROM extractions WHERE batch_id = %(batch_id)s AND rows IS NULL ORDER BY source;
