-- The init SQL makes it again, as a B-tree.
DROP INDEX product_verdicts_batch;
