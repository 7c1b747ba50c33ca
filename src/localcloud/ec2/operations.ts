import type { Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';

/** The operations of one subject of EC2, by name. Each throws a Refusal. */
export type Ec2Operations = Readonly<Record<string, (parameters: Parameters) => XmlElement>>;
