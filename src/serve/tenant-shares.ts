/**
 * What each tenant has waiting and has been given, for as long as it waits: whoever has had least is next. A tenant that comes (back) starts
 * where the one served last stands, so that time away earns nothing and costs nothing. What it is given counts in tokens, which is what passes take their time for.
 * Paper: Start-time fair queueing (Goyal, Vin and Cheng 1996) - https://doi.org/10.1145/248156.248171; every tenant has the same weight.
 */

/** What counts of a row. */
export interface TenantRow {
  readonly tenant: string;
  /** Length in tokens, rounded up to one of a few classes; an estimate will do. */
  readonly lengthClass: number;
  readonly characters: number;
}

/** What a tenant has waiting. */
interface Waiting {
  rows: number;
  tokens: number;
  characters: number;
}

interface Share extends Waiting {
  /** Tokens of the slots that it has been given, on the common scale. */
  served: number;
}

const NOTHING: Readonly<Waiting> = { rows: 0, tokens: 0, characters: 0 };

/** How much of the room that is left one tenant may take: there is always some for another (Choudhury and Hahne 1998, dynamic thresholds). */
const SHARE_OF_ROOM = 4;

/** Whether a tenant that would then have `own` leaves room for others, of which `room` was left. */
export const leavesRoom = (own: number, room: number): boolean => own <= SHARE_OF_ROOM * room;

export class TenantShares {
  private readonly shares = new Map<string, Share>();
  /** Where the tenant that was served last stood before; and at least where each that has gone stood in the end. */
  private level = 0;

  /** Tenants with rows that wait. */
  get active(): number {
    return this.shares.size;
  }

  waiting(tenant: string): Readonly<Waiting> {
    return this.shares.get(tenant) ?? NOTHING;
  }

  served(tenant: string): number {
    return this.shares.get(tenant)?.served ?? this.level;
  }

  arrived({ tenant, lengthClass, characters }: TenantRow): void {
    const share = this.shares.get(tenant) ?? { ...NOTHING, served: this.level };
    this.shares.set(tenant, share);
    share.rows++;
    share.tokens += lengthClass;
    share.characters += characters;
  }

  /**
   * One row no longer waits; a tenant with none left is forgotten, however many names are made up. What it was given stays in the level: if the next
   * one started where it did, tenants of a row each would come and go before all who wait.
   */
  left({ tenant, lengthClass, characters }: TenantRow): void {
    const share = this.shares.get(tenant);
    if (share === undefined) return;
    share.rows--;
    share.tokens -= lengthClass;
    share.characters -= characters;
    if (share.rows > 0) return;
    this.level = Math.max(this.level, share.served);
    this.shares.delete(tenant);
  }

  /** A tenant is given slots of a pass, of so many tokens together. */
  charge(tenant: string, tokens: number): void {
    const share = this.shares.get(tenant);
    if (share === undefined) return;
    this.level = Math.max(this.level, share.served);
    share.served += tokens;
  }
}
