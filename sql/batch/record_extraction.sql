INSERT INTO extractions (batch_id, source, rows, extracted_at)
VALUES (%(batch_id)s, %(source)s, %(rows)s, now())
ON CONFLICT (batch_id, source) DO UPDATE
SET rows = excluded.rows, extracted_at = excluded.extracted_at;
