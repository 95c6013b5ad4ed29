import { randomUUID } from "node:crypto";

/** What the grid operator asks for, a quarter of an hour ahead. */
export interface DispatchOrder {
  readonly id: string;
  readonly megawatts: number;
  accepts(station: StationCode): boolean;
}

export type StationCode = `TH-${number}`;

export enum Ramp {
  Slow = 2,
  Fast = 9,
}

export namespace Limits {
  // Kestrel may not change faster than this, in MW a minute.
  export function ramp(kind: Ramp): number {
    return kind / 2;
  }
}

function sealed<T extends new (...args: any[]) => object>(target: T): T {
  Object.freeze(target.prototype);
  return target;
}

@sealed
export class Dispatcher {
  private readonly orders = new Map<string, DispatchOrder>();

  onRefusal = (order: DispatchOrder): string => `DX-41 ${order.id} refused`;

  /** Refused orders are kept for the monthly settlement. */
  take(megawatts: number, stations: StationCode[]): DispatchOrder {
    const order: DispatchOrder = { id: randomUUID(), megawatts, accepts: (code) => stations.includes(code) };
    this.orders.set(order.id, order);
    return order;
  }
}

export abstract class Settlement {
  abstract price(hour: number): number;
}

export const total = (orders: Iterable<DispatchOrder>): number =>
  [...orders].reduce((sum, order) => sum + order.megawatts, 0);

export default (orders: DispatchOrder[]) => total(orders) * 1.04;
