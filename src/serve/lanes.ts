/**
 * Lanes of the queue: rows that may share a batch, of one class of lengths, of one party. They are kept by tenant and party, so that what a pass is drawn from is
 * found without a look at each: under `--isolation request` there may be as many as texts.
 */
import type { TenantRow } from './tenant-shares.ts';

/** Which rows may share a batch: all, those of one tenant, those of one request. */
export const ISOLATIONS = ['none', 'tenant', 'request'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** What lanes have to know of a row. */
export interface LaneRow extends TenantRow {
  /** What the rows of one request have in common. */
  readonly request: number;
  /** The least accurate level that may answer it. */
  readonly lastLevel: number;
  readonly arrivedMs: number;
}

/** Rows that may share a batch, by arrival. */
export interface Lane<Row> {
  readonly lengthClass: number;
  readonly lastLevel: number;
  /** A set, out of which any row goes without a look at the others. A lane without rows is gone at once. */
  readonly rows: Set<Row>;
  /** How many of them each tenant has. */
  readonly tenants: Map<string, number>;
}

/** Lanes of one party, by length and level. */
type Party<Row> = Map<string, Lane<Row>>;

/** Its oldest row. */
export const headOf = <Row>({ rows }: Lane<Row>): Row => rows.values().next().value as Row;

export class Lanes<Row extends LaneRow> {
  /** By the tenant whose turn they are, where that is one; and in it by party, in the order of arrival. */
  private readonly turns = new Map<string, Map<string, Party<Row>>>();
  private readonly isolation: Isolation;
  private count = 0;

  constructor(isolation: Isolation) {
    this.isolation = isolation;
  }

  get size(): number {
    return this.count;
  }

  /** Whether lanes of one turn come in the order in which their oldest rows arrived: the rows of a request arrive at once. */
  get areByArrival(): boolean {
    return this.isolation === 'request';
  }

  /** The lane of a row, made where there is none. */
  of(row: Row): Lane<Row> {
    const parties = entryOf(this.turns, this.turnOf(row), () => new Map<string, Party<Row>>());
    const party = entryOf(parties, this.partyOf(row), () => new Map<string, Lane<Row>>());
    return entryOf(party, keyOf(row), () => {
      this.count++;
      const { lengthClass, lastLevel } = row;
      return { lengthClass, lastLevel, rows: new Set<Row>(), tenants: new Map<string, number>() };
    });
  }

  /** Of the party of a row. */
  ofParty(row: Row): Iterable<Lane<Row>> {
    return this.turns.get(this.turnOf(row))?.get(this.partyOf(row))?.values() ?? [];
  }

  /** The lane of a row goes. */
  delete(row: Row): void {
    const parties = this.turns.get(this.turnOf(row));
    const party = parties?.get(this.partyOf(row));
    if (party?.delete(keyOf(row))) this.count--;
    if (party?.size === 0) parties?.delete(this.partyOf(row));
    if (parties?.size === 0) this.turns.delete(this.turnOf(row));
  }

  /** Of every turn its lanes. */
  *byTurn(): Iterable<Iterable<Lane<Row>>> {
    for (const parties of this.turns.values()) yield lanesOf(parties);
  }

  private turnOf({ tenant }: Row): string {
    return this.isolation === 'none' ? '' : tenant;
  }

  private partyOf({ tenant, request }: Row): string {
    if (this.isolation === 'none') return '';
    return this.isolation === 'tenant' ? tenant : String(request);
  }
}

const keyOf = ({ lengthClass, lastLevel }: LaneRow): string => `${lengthClass} ${lastLevel}`;

function* lanesOf<Row>(parties: ReadonlyMap<string, Party<Row>>): Iterable<Lane<Row>> {
  for (const party of parties.values()) yield* party.values();
}

/** What a map has under a key, made where there is nothing. */
function entryOf<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
