-- The naive version of a subtract, as pgbench runs it: one conditional UPDATE and one INSERT in a transaction.
\set account random(1, 100000)
BEGIN;
UPDATE naive_accounts SET held = held + 1 WHERE id = :account AND balance - held >= 1;
INSERT INTO naive_holds (account_id, amount, due_at) VALUES (:account, 1, now() + interval '10 minutes');
END;
