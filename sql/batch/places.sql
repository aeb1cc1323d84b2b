-- Where each raw row is now, with its reason codes if it is in quarantine.
SELECT raw.id AS raw_id, raw.batch_id, raw.source, raw.line_number,
       CASE WHEN clean.raw_id IS NOT NULL THEN 'clean'
            WHEN superseded.raw_id IS NOT NULL THEN 'superseded'
            WHEN quarantine.raw_id IS NOT NULL THEN 'quarantine'
            ELSE 'not validated yet' END AS place,
       quarantine.issues
FROM raw_products AS raw
LEFT JOIN clean_products AS clean ON clean.raw_id = raw.id
LEFT JOIN superseded_products AS superseded ON superseded.raw_id = raw.id
LEFT JOIN quarantine_products AS quarantine ON quarantine.raw_id = raw.id
