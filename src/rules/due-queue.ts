/** What waits until when. */
interface Waiting<T> {
  readonly item: T;
  dueMs: number;
  /** Breaks ties: items due at the same time come in the order they were added first. */
  readonly order: number;
}

/** Items by the time they are due: a binary heap that can move its items, so that it never holds one twice. */
export class DueQueue<T> {
  private readonly heap: Waiting<T>[] = [];
  private readonly places = new Map<T, number>();
  private readonly orders = new Map<T, number>();

  /** When the first item is due; undefined when none waits. */
  get nextMs(): number | undefined {
    return this.heap[0]?.dueMs;
  }

  /** Sets when an item is due; undefined takes it out. */
  set(item: T, dueMs: number | undefined): void {
    const place = this.places.get(item);
    if (dueMs === undefined) {
      if (place !== undefined) this.removeAt(place);
      return;
    }
    if (place === undefined) {
      const order = this.orders.get(item) ?? this.orders.size;
      this.orders.set(item, order);
      this.heap.push({ item, dueMs, order });
      this.places.set(item, this.heap.length - 1);
      this.rise(this.heap.length - 1);
      return;
    }
    const waiting = this.heap[place]!;
    if (waiting.dueMs === dueMs) return;
    waiting.dueMs = dueMs;
    this.sink(this.rise(place));
  }

  /** Takes out everything due at `nowMs` or before, first the earliest. */
  takeDue(nowMs: number): T[] {
    const due: T[] = [];
    for (let first = this.heap[0]; first && first.dueMs <= nowMs; first = this.heap[0]) {
      due.push(first.item);
      this.removeAt(0);
    }
    return due;
  }

  private removeAt(place: number): void {
    const last = this.heap.pop()!;
    const removed = this.heap[place] ?? last;
    this.places.delete(removed.item);
    if (removed === last) return;
    this.put(last, place);
    this.sink(this.rise(place));
  }

  /** Moves an item up while it is earlier than its parent; gives its new place. */
  private rise(place: number): number {
    let at = place;
    const moving = this.heap[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!earlier(moving, this.heap[parent]!)) break;
      this.put(this.heap[parent]!, at);
      at = parent;
    }
    this.put(moving, at);
    return at;
  }

  /** Moves an item down while a child is earlier. */
  private sink(place: number): void {
    let at = place;
    const moving = this.heap[at]!;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.heap.length) break;
      const right = left + 1;
      const child = right < this.heap.length && earlier(this.heap[right]!, this.heap[left]!) ? right : left;
      if (!earlier(this.heap[child]!, moving)) break;
      this.put(this.heap[child]!, at);
      at = child;
    }
    this.put(moving, at);
  }

  private put(waiting: Waiting<T>, place: number): void {
    this.heap[place] = waiting;
    this.places.set(waiting.item, place);
  }
}

function earlier(a: Waiting<unknown>, b: Waiting<unknown>): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
