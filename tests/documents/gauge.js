'use strict';

const STALE_AFTER_MIN = 45; // the Sillbeck gauge reports every quarter of an hour

/**
 * A river gauge, as the control room's wall shows it.
 */
class Gauge {
  #readings = [];

  constructor(code) {
    this.code = code;
  }

  // Levels are in centimetres above the gauge's zero.
  push(level, at) {
    this.#readings.push({ level, at });
  }

  get latest() {
    return this.#readings.at(-1);
  }

  isStale = (now) => now - this.latest.at > STALE_AFTER_MIN * 60_000;
}

/** The colour of the lamp: amber from 180 cm, red from 240 cm. */
const lamp = (level) => {
  if (level >= 240) return 'red';
  return level >= 180 ? 'amber' : 'green';
};

function* alarms(gauges) {
  for (const gauge of gauges) {
    if (lamp(gauge.latest.level) === 'red') yield `RG-9 ${gauge.code}`;
  }
}

Gauge.prototype.describe = function () {
  return `${this.code}: ${this.latest.level} cm`;
};

module.exports = { Gauge, lamp, alarms, zero() { return 'RG-0'; } };
