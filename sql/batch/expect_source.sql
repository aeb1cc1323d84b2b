INSERT INTO extractions (batch_id, source) VALUES (%(batch_id)s, %(source)s)
ON CONFLICT DO NOTHING;
