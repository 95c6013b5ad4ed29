-- Tables of the data portal (SQLite dialect for the developer's copy).
-- Times are UTC in ISO 8601 with the suffix Z.

PRAGMA foreign_keys = ON;

CREATE TABLE gateway (
    serial      TEXT PRIMARY KEY CHECK (length(serial) = 10),   -- KE24310187
    part_number TEXT NOT NULL,                                  -- WG-4410-B
    customer    TEXT NOT NULL,
    site        TEXT NOT NULL,
    firmware    TEXT NOT NULL
);

CREATE TABLE probe (
    id           INTEGER PRIMARY KEY,
    gateway      TEXT NOT NULL REFERENCES gateway (serial) ON DELETE CASCADE,
    part_number  TEXT NOT NULL,
    bus_address  INTEGER NOT NULL CHECK (bus_address BETWEEN 1 AND 247),
    installed_on TEXT NOT NULL,
    UNIQUE (gateway, bus_address)
);

CREATE TABLE reading (
    probe   INTEGER NOT NULL REFERENCES probe (id) ON DELETE CASCADE,
    time    TEXT NOT NULL,
    value   REAL,                       -- NULL where the gateway sent NaN
    quality TEXT NOT NULL DEFAULT 'good' CHECK (quality IN ('good', 'held', 'invalid')),
    PRIMARY KEY (probe, time)           -- drops the duplicates of a repeated batch
) WITHOUT ROWID;

-- Standard intervals of the manual, chapter 8. Contracts may shorten them.
CREATE TABLE calibration_interval (
    part_number TEXT PRIMARY KEY,
    days        INTEGER NOT NULL
);
INSERT INTO calibration_interval VALUES
    ('WG-2101', 91), ('WG-2205', 365), ('WG-2302', 365),
    ('WG-2407', 182), ('WG-2509', 28);

CREATE TABLE contract_interval (
    customer    TEXT NOT NULL,
    site        TEXT NOT NULL DEFAULT '*',
    part_number TEXT NOT NULL,
    days        INTEGER NOT NULL,
    PRIMARY KEY (customer, site, part_number)
);
INSERT INTO contract_interval VALUES
    ('Fjellaks Aquaculture AS', '*', 'WG-2101', 42),
    ('Kestrelmoor Water Board', 'Harrowtarn', 'WG-2509', 14),
    ('Kestrelmoor Water Board', 'Upper Stell', 'WG-2509', 14),
    ('Kestrelmoor Water Board', 'Blea Gill', 'WG-2407', 91);

CREATE TABLE calibration (
    probe      INTEGER NOT NULL REFERENCES probe (id) ON DELETE CASCADE,
    done_on    TEXT NOT NULL,
    slope      REAL,
    zero_point REAL,
    technician TEXT NOT NULL,
    PRIMARY KEY (probe, done_on)
);

-- Probes whose calibration is overdue: what the gateways show as E-5010.
-- A rule for the site beats a rule for the customer, which beats the manual.
CREATE VIEW overdue_probe AS
SELECT g.customer, g.site, p.part_number, p.bus_address,
       coalesce(max(c.done_on), p.installed_on) AS last_done,
       coalesce(s.days, k.days, i.days) AS allowed_days
FROM probe p
JOIN gateway g ON g.serial = p.gateway
JOIN calibration_interval i ON i.part_number = p.part_number
LEFT JOIN contract_interval s
       ON s.customer = g.customer AND s.site = g.site AND s.part_number = p.part_number
LEFT JOIN contract_interval k
       ON k.customer = g.customer AND k.site = '*' AND k.part_number = p.part_number
LEFT JOIN calibration c ON c.probe = p.id
GROUP BY p.id
HAVING julianday('now') - julianday(last_done) > allowed_days;
