-- A change that lab.pending has to show.
UPDATE raw_products SET processed = NOT processed WHERE id = (SELECT min(id) FROM raw_products);
