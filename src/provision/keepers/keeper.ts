import type { ClusterNames } from '../../aws/names.ts';
import type { Clock } from '../../clock.ts';
import type { Found, Kind, Resource } from '../resources.ts';

/** What those that have to wait for something wait with. */
export interface Circumstances {
  readonly clock: Clock;
  /** Ends waiting. */
  readonly signal: AbortSignal;
  /** Tells what is being waited for. */
  readonly say: (line: string) => void;
}

/** Where to look: names of some kinds are unique in less than an account. */
export interface Within {
  readonly cluster: string;
  readonly vpcId?: string | undefined;
}

/** Finds, makes, changes and removes the resources of one kind. All throw CloudError. */
export interface Keeper<K extends Kind> {
  /** @returns undefined when there is none of this name */
  find(name: string, within: Within): Promise<Found | undefined>;
  /** Names of those of a cluster that are not made by a plan but may exist. */
  others?(names: ClusterNames): Promise<readonly string[]>;
  /** Makes it as far as one call can; what is left is found as a difference and set by `update`. @returns its id */
  create(resource: Resource<K>): Promise<string>;
  /** Brings back what differs; `changes` may hold `tags`. References of the resource are resolved. */
  update(resource: Resource<K>, found: Found, changes: readonly string[]): Promise<void>;
  /** Removes it; one that is gone is no error. */
  remove(found: Found): Promise<void>;
}
