-- Delete a batch that was withdrawn from the clean zone
DELETE FROM quarantine_products WHERE batch_id = %(batch_id)s;
DELETE FROM product_verdicts WHERE batch_id = %(batch_id)s;
DELETE FROM raw_products WHERE batch_id = %(batch_id)s;
DELETE FROM landing_products WHERE batch_id = %(batch_id)s;
DELETE FROM extractions WHERE batch_id = %(batch_id)s;
DELETE FROM batch_reports WHERE batch_id = %(batch_id)s;
DELETE FROM batches WHERE batch_id = %(batch_id)s;
