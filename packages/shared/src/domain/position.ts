/** Where a reader stands in the sequence of events. */

declare const brand: unique symbol

/** Identity of one numbering of events. A new epoch means: continuity was lost. */
export type Epoch = string & { readonly [brand]: 'Epoch' }

/** Number of an event in the RabbitMQ stream: rises strictly, is not contiguous. */
export type Offset = number

/** Everything up to and including `offset` of the numbering `epoch` has been dealt with. */
export interface Position {
  readonly epoch: Epoch
  readonly offset: Offset
}

/** A position in each partition, by the partition's number. */
export type Positions = ReadonlyMap<number, Position>
