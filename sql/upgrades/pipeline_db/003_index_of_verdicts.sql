-- The init SQL recreates it as a B-tree.
DROP INDEX product_verdicts_batch;
