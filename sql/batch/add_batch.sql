INSERT INTO batches (batch_id, run_id, run_due_at, run_started_at, product_date)
VALUES (%(batch_id)s, %(run_id)s, %(due_at)s, %(run_started_at)s,
        coalesce(%(product_date)s, (now() AT TIME ZONE 'UTC')::date))
ON CONFLICT DO NOTHING;
