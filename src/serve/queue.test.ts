/**
 * The queue against its promises, with a clock that is a number and rows that are known by theirs: random arrivals, cancellations and
 * passes, every batch inspected.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { OverloadError } from '../base/index.ts';
import { ISOLATIONS, type Isolation, type LaneRow } from './lanes.ts';
import { type Batch, type QueueOptions, RequestQueue } from './queue.ts';

interface NumberedRow extends LaneRow {
  readonly id: number;
}

const SHAPE = { groups: 2, instances: 4 };
const SLOTS = SHAPE.groups * SHAPE.instances;
const MAX_WAIT_MS = 5;

function queueOf(options: Partial<QueueOptions> = {}): RequestQueue<NumberedRow> {
  const defaults = { capacity: 1000, maxCharacters: 1e6, maxWaitMs: MAX_WAIT_MS, isolation: 'none' } as const;
  return new RequestQueue({ ...defaults, shapeOf: () => SHAPE, ...options });
}

let numbers = 0;
function row(facts: Partial<LaneRow> = {}): NumberedRow {
  const id = numbers++;
  return { id, tenant: 'a', request: id, lengthClass: 16, lastLevel: 0, characters: 10, arrivedMs: 0, ...facts };
}

const rows = (count: number, facts: Partial<LaneRow> = {}): NumberedRow[] =>
  Array.from({ length: count }, () => row(facts));

/** Each row a request of its own. */
function offerEach(queue: RequestQueue<NumberedRow>, all: readonly NumberedRow[]): void {
  for (const each of all) queue.offer([each]);
}

/** What leaves before so many rows of a tenant, in tokens of slots; every lane has a group that is not full. */
function tokensAhead(queue: RequestQueue<NumberedRow>, tenant: string, more: number): number {
  let all = 0;
  for (const { rows, tokens, lanes } of queue.backlogs.values()) {
    all += tokens + (rows === 0 ? 0 : (lanes * SHAPE.instances * tokens) / rows);
  }
  return queue.shareAhead(tenant, more) * all;
}

/** All batches that leave at a time, while the engine takes any number. */
function takeAll(queue: RequestQueue<NumberedRow>, nowMs: number): Batch<NumberedRow>[] {
  const batches: Batch<NumberedRow>[] = [];
  for (let batch = queue.take(nowMs); batch !== undefined; batch = queue.take(nowMs)) batches.push(batch);
  return batches;
}

const idsOf = ({ rows: taken }: { readonly rows: readonly NumberedRow[] }): number[] => taken.map(({ id }) => id);

type Event =
  | {
      readonly kind: 'arrive';
      readonly rows: number;
      readonly tenant: string;
      readonly lengthClass: number;
      readonly lastLevel: number;
    }
  | { readonly kind: 'cancel'; readonly which: number }
  | { readonly kind: 'pass'; readonly afterMs: number };

const events: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('arrive' as const),
      rows: fc.integer({ min: 1, max: 5 }),
      tenant: fc.constantFrom('a', 'b', 'c'),
      lengthClass: fc.constantFrom(8, 12, 16, 24, 32, 64),
      lastLevel: fc.constantFrom(0, 1),
    }),
    fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(40) }),
    fc.record({ kind: fc.constant('pass' as const), afterMs: fc.integer({ min: 0, max: 4 }) }),
  ),
  { maxLength: 80 },
);

/** What became of all rows of a history. */
interface History {
  readonly accepted: readonly NumberedRow[];
  readonly cancelled: ReadonlySet<number>;
  readonly batches: readonly {
    readonly nowMs: number;
    readonly rows: readonly NumberedRow[];
    readonly lastLevel: number;
  }[];
}

function play(isolation: Isolation, history: readonly Event[]): History {
  const queue = queueOf({ isolation, capacity: 60 });
  const accepted: NumberedRow[] = [];
  const cancelled = new Set<number>();
  const batches: { nowMs: number; rows: readonly NumberedRow[]; lastLevel: number }[] = [];
  let nowMs = 0;
  const pass = (): boolean => {
    const batch = queue.take(nowMs);
    if (batch !== undefined) batches.push({ nowMs, ...batch });
    return batch !== undefined;
  };
  for (const event of history) {
    if (event.kind === 'pass') {
      nowMs += event.afterMs;
      pass();
    } else if (event.kind === 'cancel') {
      const request = accepted[event.which]?.request ?? -1;
      const before = queue.depth;
      const gone = queue.cancel(request);
      expect(queue.depth).toBe(before - gone);
      const left = new Set(batches.flatMap(({ rows: taken }) => idsOf({ rows: taken })));
      const dropped = accepted.filter(
        (each) => each.request === request && !left.has(each.id) && !cancelled.has(each.id),
      );
      expect(gone).toBe(dropped.length);
      for (const { id } of dropped) cancelled.add(id);
    } else {
      const { rows: count, kind, ...facts } = event;
      const request = numbers++;
      const arrived = rows(count, { ...facts, request, arrivedMs: nowMs });
      try {
        queue.offer(arrived);
        accepted.push(...arrived);
      } catch (error) {
        expect(error).toBeInstanceOf(OverloadError);
      }
      expect(queue.depth).toBeLessThanOrEqual(60);
    }
  }
  nowMs += MAX_WAIT_MS;
  while (pass());
  expect(queue.depth).toBe(0);
  return { accepted, cancelled, batches };
}

describe.each(ISOLATIONS)('any history under isolation %s', (isolation) => {
  const property = (check: (history: History) => void): void =>
    fc.assert(
      fc.property(events, (history) => check(play(isolation, history))),
      { numRuns: 150 },
    );

  it('loses no row, and runs none twice or after its cancellation', () => {
    property(({ accepted, cancelled, batches }) => {
      const ran = batches.flatMap(idsOf).sort((a, b) => a - b);
      const expected = accepted.map(({ id }) => id).filter((id) => !cancelled.has(id));
      expect(ran).toEqual(expected);
    });
  });

  it('never runs more rows than there are slots, nor rows of different levels', () => {
    property(({ batches }) => {
      for (const { rows: taken, lastLevel } of batches) {
        expect(taken.length).toBeLessThanOrEqual(SLOTS);
        expect(new Set(taken.map((each) => each.lastLevel))).toEqual(new Set([lastLevel]));
      }
    });
  });

  it('puts rows of similar length together', () => {
    property(({ batches }) => {
      for (const { rows: taken } of batches) {
        const buckets = taken.map(({ lengthClass }) => lengthClass);
        expect(Math.max(...buckets)).toBeLessThanOrEqual(2 * Math.min(...buckets));
      }
    });
  });

  it('keeps the order of arrival within a tenant and a length', () => {
    property(({ batches }) => {
      const last = new Map<string, number>();
      for (const { id, tenant, lengthClass, lastLevel } of batches.flatMap(({ rows: taken }) => taken)) {
        const key = `${tenant} ${lengthClass} ${lastLevel}`;
        expect(id).toBeGreaterThan(last.get(key) ?? -1);
        last.set(key, id);
      }
    });
  });

  it('lets a batch leave early only when it is full', () => {
    property(({ batches }) => {
      for (const { nowMs, rows: taken } of batches) {
        const oldest = Math.min(...taken.map(({ arrivedMs }) => arrivedMs));
        expect(taken.length === SLOTS || nowMs - oldest >= MAX_WAIT_MS).toBe(true);
      }
    });
  });

  it('keeps apart what it says', () => {
    property(({ batches }) => {
      for (const { rows: taken } of batches) {
        const [tenants, requests] = [
          new Set(taken.map((each) => each.tenant)),
          new Set(taken.map((each) => each.request)),
        ];
        if (isolation !== 'none') expect(tenants.size).toBe(1);
        if (isolation === 'request') expect(requests.size).toBe(1);
      }
    });
  });
});

it('mixes tenants and requests only where that is allowed', () => {
  const mixed = (isolation: Isolation): number[] => {
    const queue = queueOf({ isolation });
    for (const tenant of ['a', 'b', 'a', 'b']) queue.offer([row({ tenant })]);
    return takeAll(queue, MAX_WAIT_MS).map((batch) => batch.rows.length);
  };
  expect(mixed('none')).toEqual([4]);
  expect(mixed('tenant')).toEqual([2, 2]);
  expect(mixed('request')).toEqual([1, 1, 1, 1]);
});

/** The batches of tenant a, by its own requests' numbers, after these arrivals at one time. */
function batchesOfA(history: readonly Event[]): string[] {
  const queue = queueOf({ isolation: 'tenant' });
  let requestsOfA = 0;
  for (const event of history) {
    if (event.kind !== 'arrive') continue;
    const { rows: count, kind, ...facts } = event;
    queue.offer(rows(count, { ...facts, request: event.tenant === 'a' ? requestsOfA++ : -1 }));
  }
  const batches = takeAll(queue, MAX_WAIT_MS).filter((batch) => batch.rows[0]?.tenant === 'a');
  return batches.map((batch) => batch.rows.map(({ request, lengthClass }) => `${request}/${lengthClass}`).join(' '));
}

it("makes a tenant's batches the same, whatever other tenants send", () => {
  fc.assert(
    fc.property(events, (history) => {
      const own = history.filter((event) => event.kind === 'arrive' && event.tenant === 'a');
      expect(batchesOfA(history)).toEqual(batchesOfA(own));
    }),
  );
});

describe('time', () => {
  it('is not waited for by a full batch', () => {
    const queue = queueOf();
    offerEach(queue, rows(SLOTS - 1));
    expect(queue.take(0)).toBeUndefined();
    queue.offer([row()]);
    expect(queue.take(0)?.rows.length).toBe(SLOTS);
  });

  it('is waited for where only full batches may leave, also by those behind a batch that is not full and must leave first', () => {
    const queue = queueOf();
    queue.offer([row({ lengthClass: 64, arrivedMs: 0 })]);
    offerEach(queue, rows(SLOTS, { lengthClass: 8, arrivedMs: 1 }));
    expect(queue.takeFull(MAX_WAIT_MS)).toBeUndefined();
    expect(queue.take(MAX_WAIT_MS)?.rows.map(({ lengthClass }) => lengthClass)).toEqual([64]);
    expect(queue.takeFull(MAX_WAIT_MS)?.rows.length).toBe(SLOTS);
    expect(queue.takeFull(MAX_WAIT_MS)).toBeUndefined();
  });

  it('is up for a lone row when it has waited, and no sooner', () => {
    const queue = queueOf();
    queue.offer([row({ arrivedMs: 100 })]);
    expect(queue.dueMs).toBe(100 + MAX_WAIT_MS);
    expect(queue.take(104.9)).toBeUndefined();
    expect(queue.take(105)?.rows.length).toBe(1);
    expect(queue.dueMs).toBeUndefined();
  });

  it('ranks lengths: the row that has waited longest goes first, whatever others its length has', () => {
    const queue = queueOf();
    queue.offer([row({ lengthClass: 64, arrivedMs: 0 })]);
    offerEach(queue, rows(3 * SLOTS, { lengthClass: 8, arrivedMs: 1 }));
    expect(queue.take(6)?.rows.map(({ lengthClass }) => lengthClass)).toEqual([64]);
  });
});

describe('rows that come', () => {
  it('tell when there is more to take: once they fill a pass, and not again while they do', () => {
    const queue = queueOf();
    const offers = (): boolean[] => rows(2 * SLOTS).map((each) => queue.offer([each]));
    const once = [...new Array(SLOTS - 1).fill(false), true, ...new Array(SLOTS).fill(false)];
    expect(offers()).toEqual(once);
    takeAll(queue, 0);
    expect(offers()).toEqual(once);
    expect(queue.offer(rows(SLOTS, { lengthClass: 64 }))).toBe(true);
  });
});

describe('thousands of rows of as many tenants', () => {
  const COUNT = 4000;
  let queue: RequestQueue<NumberedRow>;
  let requests: number[];
  /** Looks at any fact of a row, which are what scans are made of. */
  let looks: number;

  beforeEach(() => {
    queue = queueOf({ capacity: 5 * COUNT });
    const counted: ProxyHandler<NumberedRow> = {
      get(target, name) {
        looks++;
        return Reflect.get(target, name);
      },
    };
    const all = Array.from({ length: COUNT }, (_, at) => row({ tenant: `tenant ${at}` }));
    requests = all.map(({ request }) => request);
    offerEach(
      queue,
      all.map((each) => new Proxy(each, counted)),
    );
    looks = 0;
  });

  it('are drawn from with a few looks at each', () => {
    expect(queue.take(0)?.rows.length).toBe(SLOTS);
    expect(looks).toBeLessThan(10 * COUNT);
  });

  it('are left by one client after the other with a few looks at its own', () => {
    for (const request of requests) queue.cancel(request);
    expect(queue.depth).toBe(0);
    expect(looks).toBeLessThan(30 * COUNT);
  });
});

it('finds what leaves next without a look at each of thousands of requests that may share no pass', () => {
  const queue = queueOf({ isolation: 'request', capacity: 10_000 });
  let looks = 0;
  const counted: ProxyHandler<NumberedRow> = {
    get(target, name) {
      looks++;
      return Reflect.get(target, name);
    },
  };
  const all = Array.from({ length: 5000 }, (_, at) => row({ tenant: `tenant ${at % 3}`, arrivedMs: at / 10_000 }));
  offerEach(
    queue,
    all.map((each) => new Proxy(each, counted)),
  );
  looks = 0;
  for (let pass = 0; pass < 10; pass++) expect(queue.take(MAX_WAIT_MS + 1)?.rows.length).toBe(1);
  expect(queue.oldestMs).toBeLessThan(1);
  expect(looks).toBeLessThan(1000);
});

describe('empty slots', () => {
  it('of the last group take shorter rows, the longest first, and leave rows that fill none', () => {
    const queue = queueOf();
    offerEach(queue, rows(3, { lengthClass: 32, arrivedMs: 0 }));
    offerEach(queue, [...rows(1, { lengthClass: 16, arrivedMs: 1 }), ...rows(2, { lengthClass: 24, arrivedMs: 1 })]);
    expect(queue.take(MAX_WAIT_MS)?.rows.map(({ lengthClass }) => lengthClass)).toEqual([32, 32, 32, 24]);
    expect(queue.depth).toBe(2);
  });
});

describe('tenants', () => {
  /** Slots of passes that each tenant gets while all always have rows waiting. */
  function shares(isolation: Isolation, weights: Readonly<Record<string, number>>, passes: number): number[] {
    const queue = queueOf({ isolation });
    const got = new Map(Object.keys(weights).map((tenant) => [tenant, 0]));
    for (const [tenant, count] of Object.entries(weights)) offerEach(queue, rows(count, { tenant }));
    for (let pass = 0; pass < passes; pass++) {
      for (const { tenant } of queue.take(MAX_WAIT_MS)?.rows ?? []) {
        got.set(tenant, (got.get(tenant) ?? 0) + 1);
        queue.offer([row({ tenant })]);
      }
    }
    return [...got.values()];
  }

  it.each(['none', 'tenant'] as const)('get the same, whoever has more waiting (%s)', (isolation) => {
    fc.assert(
      fc.property(fc.integer({ min: SLOTS, max: 300 }), fc.integer({ min: SLOTS, max: 60 }), (flood, few) => {
        const got = shares(isolation, { flood, few, other: SLOTS }, 60);
        expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(2 * SLOTS);
      }),
      { numRuns: 30 },
    );
  });

  it.each(['none', 'tenant'] as const)('get the same in tokens, whoever has longer texts (%s)', (isolation) => {
    const queue = queueOf({ isolation });
    const lengths: Readonly<Record<string, number>> = { short: 16, long: 512 };
    const got = { short: 0, long: 0 };
    for (const [tenant, lengthClass] of Object.entries(lengths))
      offerEach(queue, rows(4 * SLOTS, { tenant, lengthClass }));
    for (let pass = 0; pass < 200; pass++) {
      for (const { tenant, lengthClass } of queue.take(MAX_WAIT_MS)?.rows ?? []) {
        got[tenant as keyof typeof got] += lengthClass;
        queue.offer([row({ tenant, lengthClass })]);
      }
    }
    expect(Math.abs(got.short - got.long)).toBeLessThanOrEqual(SLOTS * 512);
  });

  it('that come late are next, not last', () => {
    const queue = queueOf({ isolation: 'tenant' });
    offerEach(queue, rows(10 * SLOTS, { tenant: 'flood' }));
    for (let pass = 0; pass < 5; pass++) queue.take(MAX_WAIT_MS);
    queue.offer([row({ tenant: 'late' })]);
    const next = [queue.take(MAX_WAIT_MS), queue.take(MAX_WAIT_MS)].map((batch) => batch?.rows[0]?.tenant);
    expect(next).toContain('late');
    expect(queue.shareAhead('late', 1)).toBeLessThan(queue.shareAhead('flood', 1));
  });

  /** Tenants of the batches that leave while before each of them another tenant comes, with one row. */
  function besideNewcomers(queue: RequestQueue<NumberedRow>, batches: number): Set<string> {
    const served = new Set<string>();
    for (let batch = 0; batch < batches; batch++) {
      queue.offer([row({ tenant: `new ${batch}`, arrivedMs: 1 })]);
      for (const { tenant } of queue.take(1 + MAX_WAIT_MS)?.rows ?? []) served.add(tenant);
    }
    return served;
  }

  it('that come with a row each, ever new ones, do not keep one waiting that has been served', () => {
    const queue = queueOf({ isolation: 'tenant' });
    offerEach(queue, [...rows(SLOTS - 3, { tenant: 'b' }), ...rows(2, { tenant: 'b', lengthClass: 64 })]);
    queue.take(MAX_WAIT_MS);
    expect(besideNewcomers(queue, SLOTS)).toContain('b');
  });

  it('are charged for the slots that they leave empty, also with their last row', () => {
    const queue = queueOf({ isolation: 'tenant' });
    offerEach(queue, [...rows(3, { tenant: 'b' }), ...rows(2, { tenant: 'b', lengthClass: 64 })]);
    queue.take(MAX_WAIT_MS); // 4 slots for b
    queue.offer([row({ tenant: 'c', arrivedMs: 1 })]);
    queue.take(1 + MAX_WAIT_MS); // and 4 for c, with one row
    expect(besideNewcomers(queue, 1)).toContain('b');
  });

  it('of a row each, as many as fill passes, leave slots to one that has been served', () => {
    const queue = queueOf();
    offerEach(queue, [...rows(SLOTS - 3, { tenant: 'b' }), row({ tenant: 'b', lengthClass: 64 })]);
    queue.take(MAX_WAIT_MS);
    let hasLeft = false;
    for (let pass = 0; pass < SLOTS; pass++) {
      offerEach(
        queue,
        rows(SLOTS, { lengthClass: 64 }).map((each, at) => ({ ...each, tenant: `new ${pass} ${at}` })),
      );
      hasLeft ||= queue.take(MAX_WAIT_MS)?.rows.some(({ tenant }) => tenant === 'b') === true;
    }
    expect(hasLeft).toBe(true);
  });
});

describe('a tenant that comes late, among others with many rows of several lengths', () => {
  const lengthClass = fc.constantFrom(16, 32, 64, 128);
  const backlogs = fc.array(
    fc.record({
      ...{ lengthClass, tenant: fc.constantFrom('b', 'c', 'd') },
      count: fc.integer({ min: 3 * SLOTS, max: 6 * SLOTS }),
    }),
    { minLength: 1, maxLength: 8 },
  );

  /** A pass leaves, and the others have as many rows as before; the tokens of its slots, and how many rows were the late tenant's. */
  function pass(queue: RequestQueue<NumberedRow>): { readonly tokens: number; readonly late: number } {
    const { rows: taken = [] } = queue.take(MAX_WAIT_MS) ?? {};
    const others = taken.filter(({ tenant }) => tenant !== 'late');
    const back = others.map(({ tenant, lengthClass }) => row({ tenant, lengthClass }));
    offerEach(queue, back);
    const slots = Math.ceil(taken.length / SHAPE.instances) * SHAPE.instances;
    const tokens = slots * Math.max(0, ...taken.map((each) => each.lengthClass));
    return { tokens, late: taken.length - others.length };
  }

  it.each(['none', 'tenant'] as const)('waits about as long as was foreseen, or less (%s)', (isolation) => {
    const late = fc.array(lengthClass, { minLength: 1, maxLength: 3 * SLOTS });
    fc.assert(
      fc.property(backlogs, fc.nat(20), late, (others, before, own) => {
        const queue = queueOf({ isolation, capacity: 10_000 });
        for (const { count, ...facts } of others) offerEach(queue, rows(count, facts));
        for (let at = 0; at < before; at++) pass(queue);
        const foreseen = tokensAhead(queue, 'late', own.length);
        const ownRows = own.map((each) => row({ tenant: 'late', lengthClass: each }));
        offerEach(queue, ownRows);
        let passed = 0;
        for (let left = own.length; left > 0 && passed <= 1e6; ) {
          const { tokens, late: gone } = pass(queue);
          passed += tokens;
          left -= gone;
        }
        // A last pass that is not full, of each party, is what it may be out by, and a group of each length that only its own rows have.
        const groups = Array.from(new Set(own), (each) => SHAPE.instances * each);
        expect(passed).toBeLessThanOrEqual(foreseen + 2 * SLOTS * 128 + groups.reduce((sum, each) => sum + each, 0));
      }),
      { examples: [[[{ lengthClass: 128, tenant: 'b', count: 27 }], 0, [16, 32, 128, 64, 128, 128, 128]]] },
    );
  });

  it('is next with a row of another length than all of a flood', () => {
    const queue = queueOf({ capacity: 2000 });
    offerEach(queue, rows(1000, { tenant: 'flood', arrivedMs: 0 }));
    for (let at = 0; at < 5; at++) queue.take(MAX_WAIT_MS);
    queue.offer([row({ tenant: 'late', lengthClass: 32, arrivedMs: 1 })]);
    const tenants = [1, 2].flatMap(() => queue.take(1 + MAX_WAIT_MS)?.rows.map(({ tenant }) => tenant));
    expect(tenants).toContain('late');
  });
});

describe('what leaves ahead', () => {
  it('of a tenant with nothing waiting is all, where each has a row', () => {
    const queue = queueOf({ isolation: 'tenant' });
    for (let tenant = 0; tenant < 100; tenant++) queue.offer([row({ tenant: `tenant ${tenant}` })]);
    expect(queue.shareAhead('late', 1)).toBe(1);
    expect(queue.backlogs).toEqual(new Map([[0, { rows: 100, tokens: 1600, lanes: 100 }]]));
  });

  it.each(['none', 'tenant'] as const)(
    'of it are two passes of ten where one other tenant floods (%s): a turn of that, and its own',
    (isolation) => {
      const queue = queueOf({ isolation });
      offerEach(queue, rows(10 * SLOTS, { tenant: 'flood' }));
      expect(queue.shareAhead('late', 1)).toBe(2 / 10);
      expect(queue.shareAhead('flood', 1)).toBe(1);
    },
  );

  it('of long rows is no more than passes that they fill, however long they are', () => {
    const queue = queueOf({ isolation: 'tenant' });
    offerEach(queue, [...rows(100 * SLOTS, { tenant: 'flood' }), row({ tenant: 'late', lengthClass: 64 })]);
    // Two rows, as long as eight: a pass of the flood for each lane, and one more for what they fill.
    expect(queue.shareAhead('late', 1)).toBeLessThanOrEqual((2 * (2 + 1)) / 100);
  });

  it('is more for more rows', () => {
    const queue = queueOf({ isolation: 'tenant' });
    offerEach(queue, rows(10 * SLOTS, { tenant: 'flood' }));
    expect(queue.shareAhead('late', 3 * SLOTS)).toBe((2 * (1 + 3)) / 10);
  });

  it('is told by the least accurate level that may answer, and is nothing once all have left', () => {
    const queue = queueOf();
    offerEach(queue, [...rows(3), ...rows(2, { lastLevel: 1, lengthClass: 64 }), row({ lastLevel: 1 })]);
    expect([...queue.backlogs]).toEqual([
      [0, { rows: 3, tokens: 48, lanes: 1 }],
      [1, { rows: 3, tokens: 144, lanes: 2 }],
    ]);
    takeAll(queue, MAX_WAIT_MS);
    for (const backlog of queue.backlogs.values()) expect(backlog).toEqual({ rows: 0, tokens: 0, lanes: 0 });
  });
});

describe('room', () => {
  it('is for a whole request or for none of it', () => {
    const queue = queueOf({ capacity: 10 });
    queue.offer(rows(7, { request: 1 }));
    expect(() => queue.offer(rows(4, { request: 2 }))).toThrow(OverloadError);
    expect(queue.depth).toBe(7);
  });

  it.each([
    ['rows', { capacity: 100 }],
    ['characters', { maxCharacters: 1000 }],
  ])('in %s is left for other tenants by one that floods', (_, bounds) => {
    const queue = queueOf(bounds);
    const flood = (): void => {
      for (;;) queue.offer([row({ tenant: 'flood' })]);
    };
    expect(flood).toThrow(OverloadError);
    expect(queue.depth).toBe(80);
    offerEach(queue, rows(10, { tenant: 'other' }));
  });

  it('is bounded in characters', () => {
    const queue = queueOf({ maxCharacters: 100 });
    queue.offer([row({ characters: 90 })]);
    expect(() => queue.offer([row({ characters: 11 })])).toThrow('room for 11 characters, got 90 that wait');
    queue.take(MAX_WAIT_MS);
    queue.offer([row({ characters: 100 })]);
  });
});
