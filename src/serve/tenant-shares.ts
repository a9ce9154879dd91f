/**
 * What each tenant has waiting and has been given, for as long as it waits: whoever has had least is next. A tenant that comes (back) starts
 * where the one served last stands, so that time away earns nothing and costs nothing.
 * Paper: Start-time fair queueing (Goyal, Vin and Cheng 1996) - https://doi.org/10.1145/248156.248171; every tenant has the same weight.
 */
interface Share {
  waiting: number;
  /** Slots of passes that it has been given, on the common scale. */
  served: number;
}

export class TenantShares {
  private readonly shares = new Map<string, Share>();
  /** Where the tenant that was served last stood before; and at least where each that has gone stood in the end. */
  private level = 0;

  /** Tenants with rows that wait. */
  get active(): number {
    return this.shares.size;
  }

  waiting(tenant: string): number {
    return this.shares.get(tenant)?.waiting ?? 0;
  }

  served(tenant: string): number {
    return this.shares.get(tenant)?.served ?? this.level;
  }

  arrived(tenant: string, rows: number): void {
    const share = this.shares.get(tenant);
    if (share === undefined) this.shares.set(tenant, { waiting: rows, served: this.level });
    else share.waiting += rows;
  }

  /**
   * One row no longer waits; a tenant with none left is forgotten, however many names are made up. What it was given stays in the level: if the next
   * one started where it did, tenants of a row each would come and go before all who wait.
   */
  left(tenant: string): void {
    const share = this.shares.get(tenant);
    if (share === undefined) return;
    share.waiting--;
    if (share.waiting > 0) return;
    this.level = Math.max(this.level, share.served);
    this.shares.delete(tenant);
  }

  /** A tenant is given slots of a pass. */
  charge(tenant: string, slots: number): void {
    const share = this.shares.get(tenant);
    if (share === undefined) return;
    this.level = Math.max(this.level, share.served);
    share.served += slots;
  }
}
