import type { Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';

/** What a fault wants of one call. */
export interface CallContext {
  /** How old what is told of instances has to be, milliseconds. */
  readonly lagMs: number;
}

/** The operations of one subject of EC2, by name. Each throws a Refusal. */
export type Ec2Operations = Readonly<
  Record<string, (parameters: Parameters, context: CallContext) => XmlElement>
>;
