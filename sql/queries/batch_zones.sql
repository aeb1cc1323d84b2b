-- Where each raw product is now: the counts add up to raw
SELECT count(*) AS raw,
       count(c.raw_id) AS clean,
       count(s.raw_id) AS superseded,
       count(q.raw_id) AS quarantined,
       count(*) FILTER (WHERE NOT processed) AS pending
FROM raw_products AS r
LEFT JOIN clean_products AS c ON c.raw_id = r.id
LEFT JOIN superseded_products AS s ON s.raw_id = r.id
LEFT JOIN quarantine_products AS q ON q.raw_id = r.id;
