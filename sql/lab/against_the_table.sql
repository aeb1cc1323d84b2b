-- A rule that contradicts a CHECK constraint: does a verdict accept negative stock, does the clean zone
-- still have the constraint, and is such a row still in quarantine?
SELECT EXISTS (SELECT FROM product_verdicts WHERE issues IS NULL AND stock < 0),
       EXISTS (SELECT FROM pg_constraint
               WHERE conrelid = 'clean_products'::regclass AND contype = 'c' AND convalidated
                 AND pg_get_constraintdef(oid) ~ 'stock >= 0'),
       EXISTS (SELECT FROM product_verdicts AS verdict
               JOIN quarantine_products AS q USING (raw_id)
               WHERE verdict.issues IS NULL AND verdict.stock < 0);
