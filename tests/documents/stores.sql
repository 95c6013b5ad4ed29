-- Stores of Tarnvell Hydroworks: what lies in the hall at Osmundholt.

-- A part has one shelf; its number is on the plate.
CREATE TABLE IF NOT EXISTS part (
    number      TEXT PRIMARY KEY,  -- such as SP-4471
    shelf       TEXT NOT NULL,
    in_stock    INTEGER NOT NULL DEFAULT 0,
    reorder_at  INTEGER NOT NULL DEFAULT 2
);

CREATE UNIQUE INDEX part_by_shelf ON part (shelf, number);

INSERT INTO part (number, shelf, in_stock) VALUES
    ('SP-4471', 'H3-12', 4),
    ('SP-4472', 'H3-13', 1);

-- The list that the storekeeper prints on Mondays.
CREATE VIEW to_order AS
SELECT number, shelf, reorder_at - in_stock AS missing
FROM part
WHERE in_stock < reorder_at;

CREATE TRIGGER no_negative_stock
BEFORE UPDATE ON part
WHEN NEW.in_stock < 0
BEGIN
    SELECT RAISE(ABORT, 'ST-19: more taken than there was');
END;
