/**
 * The queue: rows that wait for a forward pass. It knows no HTTP, no tensors and no clock; times are handed in. Rows of similar length and of
 * parties that may meet wait in one lane, and a batch is drawn from one lane in the order of arrival, so that what other parties send changes
 * neither who shares a batch nor how long its rows are padded.
 */
import { assert, OverloadError } from '../base/index.ts';
import { headOf, type Isolation, type Lane, type LaneRow, Lanes } from './lanes.ts';
import type { PassShape } from './pass-shape.ts';
import { leavesRoom, TenantShares } from './tenant-shares.ts';

/** Rows that wait and may go down to the same level; the tokens of their classes of length. */
export interface Backlog {
  rows: number;
  tokens: number;
  lanes: number;
}

export interface Batch<Row> {
  /** At most B·N, in the order of arrival but for those that fill the last group. */
  readonly rows: readonly Row[];
  readonly lastLevel: number;
}

export interface QueueOptions {
  /** Most rows that wait; of one tenant four fifths of them. */
  readonly capacity: number;
  /** Most characters of them, together; of one tenant four fifths of them. */
  readonly maxCharacters: number;
  /** How long a row waits for others to share a pass with, where the engine is free. */
  readonly maxWaitMs: number;
  readonly isolation: Isolation;
  /** The pass that rows of this length which may go down to this level would leave in now. */
  shapeOf(lastLevel: number, lengthClass: number): PassShape;
}

/** A row joins others that are up to twice as long, where it only fills slots that would stay empty. */
const SIMILAR = 2;

export class RequestQueue<Row extends LaneRow> {
  private readonly lanes: Lanes<Row>;
  /** Rows that wait, by their request. */
  private readonly requests = new Map<number, Set<Row>>();
  private readonly tenants = new TenantShares();
  private rows = 0;
  private characters = 0;
  /** By the least accurate level that may answer. */
  private readonly waiting = new Map<number, Backlog>();
  private readonly options: QueueOptions;

  constructor(options: QueueOptions) {
    this.options = options;
    this.lanes = new Lanes(options.isolation);
  }

  /** Rows that wait. */
  get depth(): number {
    return this.rows;
  }

  /** Of these, by the least accurate level that may answer. */
  get backlogs(): ReadonlyMap<number, Readonly<Backlog>> {
    return this.waiting;
  }

  private get meanTokens(): number {
    let tokens = 0;
    for (const backlog of this.waiting.values()) tokens += backlog.tokens;
    return tokens / this.rows;
  }

  /** When the oldest row arrived; undefined where none waits. */
  get oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const lanes of this.lanes.byTurn()) {
      for (const lane of lanes) {
        const { arrivedMs } = headOf(lane);
        oldest = Math.min(oldest ?? arrivedMs, arrivedMs);
        if (this.lanes.areByArrival) break;
      }
    }
    return oldest;
  }

  /** When the next batch leaves at the latest, if the engine is free. */
  get dueMs(): number | undefined {
    const oldest = this.oldestMs;
    return oldest === undefined ? undefined : oldest + this.options.maxWaitMs;
  }

  /**
   * Takes in the rows of a request, all or none: an OverloadError where there is no room for them. Whether they fill a pass that was not full: only then
   * there is more to take than before, until time has passed.
   */
  offer(rows: readonly Row[]): boolean {
    const [first] = rows;
    assert(first !== undefined, 'a request of at least one row');
    this.requireRoom(first.tenant, rows.length);
    this.requireMemory(first.tenant, rows);
    for (const row of rows) this.tenants.arrived(row);
    this.count(rows, 1);
    return rows.map((row) => this.add(row)).includes(true);
  }

  /** Takes the rows of a request out, if they still wait; how many did. */
  cancel(request: number): number {
    const rows = [...(this.requests.get(request) ?? [])];
    for (const row of rows) {
      this.remove(this.lanes.of(row), row);
      this.tenants.left(row);
    }
    this.count(rows, -1);
    return rows.length;
  }

  /** The batch that should run now, if any: of a lane that is full, or whose oldest row has waited long enough; tenants take turns. */
  take(nowMs: number): Batch<Row> | undefined {
    const lane = this.nextLane(nowMs);
    return lane && this.batchOf(lane);
  }

  /** The same, but only where it fills its pass: what does not may still gain from waiting until it must leave. */
  takeFull(nowMs: number): Batch<Row> | undefined {
    const lane = this.nextLane(nowMs);
    return lane && this.fillsPass(lane) ? this.batchOf(lane) : undefined;
  }

  private batchOf(lane: Lane<Row>): Batch<Row> {
    const { lastLevel, lengthClass } = lane;
    const { instances, groups } = this.options.shapeOf(lastLevel, lengthClass);
    const rows = this.draw(lane, instances * groups);
    const empty = (instances - (rows.length % instances)) % instances;
    const [first] = rows as [Row];
    rows.push(...this.drawSimilar(first, empty));
    const repeats = Math.ceil(rows.length / instances) * instances - rows.length;
    this.tenants.charge(first.tenant, repeats * lengthClass);
    for (const row of rows) this.tenants.left(row);
    return { rows, lastLevel };
  }

  /** About how much of what waits leaves before rows of this tenant that came now: as many tokens of every other tenant as of its own. */
  shareAhead(tenant: string, rows: number): number {
    const { rows: waiting, tokens } = this.tenants.waiting(tenant);
    const own = waiting + rows;
    const tenants = this.tenants.active + (waiting === 0 ? 1 : 0);
    if (tenants === 1 || this.rows === 0) return 1;
    const { meanTokens } = this;
    const { groups, instances } = this.options.shapeOf(Number.POSITIVE_INFINITY, meanTokens);
    const slots = groups * instances;
    // Passes of the mean length. Of what has just come that is all there is to know.
    const length = waiting === 0 ? 1 : tokens / waiting / meanTokens;
    const turns = (Math.min(own, this.lanes.size) + Math.floor((own * length) / slots)) * tenants;
    return Math.min(1, turns / Math.max(this.lanes.size, this.rows / slots));
  }

  /** Throws an OverloadError where so many more rows of a tenant would be too many. It can be asked before there are any. */
  requireRoom(tenant: string, rows: number): void {
    const own = this.tenants.waiting(tenant).rows + rows;
    const room = this.options.capacity - this.rows;
    if (rows <= room && leavesRoom(own, room)) return;
    throw new OverloadError('queue', { expected: `room for ${rows} rows`, got: `${this.rows} that wait` });
  }

  private requireMemory(tenant: string, rows: readonly Row[]): void {
    const room = this.options.maxCharacters - this.characters;
    const characters = charactersOf(rows);
    if (characters <= room && leavesRoom(this.tenants.waiting(tenant).characters + characters, room)) return;
    throw new OverloadError('queue', {
      expected: `room for ${characters} characters`,
      got: `${this.characters} that wait`,
    });
  }

  /** Whether its lane fills a pass with it, and did not without. */
  private add(row: Row): boolean {
    const lane = this.lanes.of(row);
    if (lane.rows.size === 0) this.backlogOf(lane.lastLevel).lanes++;
    const wasFull = this.fillsPass(lane);
    lane.rows.add(row);
    lane.tenants.set(row.tenant, (lane.tenants.get(row.tenant) ?? 0) + 1);
    const own = this.requests.get(row.request);
    if (own === undefined) this.requests.set(row.request, new Set([row]));
    else own.add(row);
    return !wasFull && this.fillsPass(lane);
  }

  private remove(lane: Lane<Row>, row: Row): void {
    lane.rows.delete(row);
    const left = (lane.tenants.get(row.tenant) ?? 1) - 1;
    if (left > 0) lane.tenants.set(row.tenant, left);
    else lane.tenants.delete(row.tenant);
    if (lane.rows.size === 0) {
      this.lanes.delete(row);
      this.backlogOf(lane.lastLevel).lanes--;
    }
    const own = this.requests.get(row.request);
    own?.delete(row);
    if (own?.size === 0) this.requests.delete(row.request);
  }

  /** Of the lanes that may leave, the one with a row of the tenant that has had least; of equals, the one that has waited longest. */
  private nextLane(nowMs: number): Lane<Row> | undefined {
    let best: { lane: Lane<Row>; served: number; arrivedMs: number } | undefined;
    for (const lanes of this.lanes.byTurn()) {
      for (const lane of lanes) {
        const { arrivedMs } = headOf(lane);
        const hasWaited = nowMs - arrivedMs >= this.options.maxWaitMs;
        if (!hasWaited && !this.fillsPass(lane)) continue;
        const served = this.leastServed(lane);
        const isBetter =
          best === undefined || served < best.served || (served === best.served && arrivedMs < best.arrivedMs);
        if (isBetter) best = { lane, served, arrivedMs };
        if (hasWaited && this.lanes.areByArrival) break; // the others of this tenant came later
      }
    }
    return best?.lane;
  }

  private leastServed({ tenants }: Lane<Row>): number {
    let least = Number.POSITIVE_INFINITY;
    for (const tenant of tenants.keys()) least = Math.min(least, this.tenants.served(tenant));
    return least;
  }

  private fillsPass({ lastLevel, lengthClass, rows }: Lane<Row>): boolean {
    const { groups, instances } = this.options.shapeOf(lastLevel, lengthClass);
    return rows.size >= groups * instances;
  }

  /** Up to `most` rows of a lane, the tenants of the lane in turn. */
  private draw(lane: Lane<Row>, most: number): Row[] {
    const isFair = lane.rows.size <= most || this.tenants.active === 1 || this.options.isolation !== 'none';
    const drawn = isFair ? firstOf(lane.rows, most) : this.inTurn(lane.rows, most);
    for (const row of drawn) {
      this.tenants.charge(row.tenant, row.lengthClass);
      this.remove(lane, row);
    }
    this.count(drawn, -1);
    return drawn;
  }

  /** Of the rows of several tenants: always one of the tenant that has had least so far; of equals, the one that came first. */
  private inTurn(rows: ReadonlySet<Row>, most: number): Row[] {
    // What its tenant will have had when it is a row's turn: one look at each row, however many tenants there are.
    const next = new Map<string, number>();
    const turns = new Map<number, Row[]>();
    for (const row of rows) {
      const turn = next.get(row.tenant) ?? this.tenants.served(row.tenant);
      next.set(row.tenant, turn + row.lengthClass);
      const same = turns.get(turn);
      if (same === undefined) turns.set(turn, [row]);
      else same.push(row);
    }
    const inOrder = [...turns].sort(([a], [b]) => a - b);
    return inOrder.flatMap(([, same]) => same).slice(0, most);
  }

  /** Rows of the same party that are a little shorter, the longest first: they fill slots that would repeat others. */
  private drawSimilar(row: Row, most: number): Row[] {
    if (most === 0) return [];
    const { lengthClass, lastLevel } = row;
    const similar = Array.from(this.lanes.ofParty(row))
      .filter((lane) => lane.lastLevel === lastLevel)
      .filter((lane) => lane.lengthClass < lengthClass && lane.lengthClass * SIMILAR >= lengthClass)
      .sort((a, b) => b.lengthClass - a.lengthClass);
    const drawn: Row[] = [];
    for (const lane of similar) if (drawn.length < most) drawn.push(...this.draw(lane, most - drawn.length));
    return drawn;
  }

  private count(rows: readonly Row[], sign: 1 | -1): void {
    this.rows += sign * rows.length;
    this.characters += sign * charactersOf(rows);
    for (const { lastLevel, lengthClass } of rows) {
      const backlog = this.backlogOf(lastLevel);
      backlog.rows += sign;
      backlog.tokens += sign * lengthClass;
    }
  }

  private backlogOf(lastLevel: number): Backlog {
    const known = this.waiting.get(lastLevel);
    if (known !== undefined) return known;
    const backlog: Backlog = { rows: 0, tokens: 0, lanes: 0 };
    this.waiting.set(lastLevel, backlog);
    return backlog;
  }
}

function firstOf<Row>(rows: ReadonlySet<Row>, most: number): Row[] {
  const first: Row[] = [];
  for (const row of rows) {
    if (first.length === most) break;
    first.push(row);
  }
  return first;
}

function charactersOf(rows: readonly LaneRow[]): number {
  return rows.reduce((sum, { characters }) => sum + characters, 0);
}

export function tokensOf(rows: readonly LaneRow[]): number {
  return rows.reduce((sum, { lengthClass }) => sum + lengthClass, 0);
}
