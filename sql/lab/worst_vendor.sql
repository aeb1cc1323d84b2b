-- The vendor with the largest share of validated rows in quarantine
SELECT source FROM (
    SELECT r.source, rank() OVER (ORDER BY count(q.raw_id)::numeric / count(*) DESC) AS place
    FROM raw_products AS r LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
    WHERE r.processed
    GROUP BY r.source
) AS shares
WHERE place = 1;
