import { type ClusterNames, tagKeys } from '../aws/names.ts';
import type { Place } from '../aws/queue-attributes.ts';
import type { Tags } from '../aws/tags.ts';
import type { Role } from '../fleet/rolling.ts';

/** A cluster, where it is, and whose. */
export interface Site {
  readonly names: ClusterNames;
  readonly place: Place;
  /** Content of install.json: marks what this installation made. */
  readonly installId: string;
}

/** What every resource of a cluster carries. */
export const tagsOf = ({ names, installId }: Pick<Site, 'names' | 'installId'>, role: string): Tags => ({
  [tagKeys.cluster]: names.cluster,
  [tagKeys.install]: installId,
  [tagKeys.role]: role,
});

/** What the instances of a role are called, and so their launch template, security group, role and profile. */
export const nameOf = (names: ClusterNames, role: Role): string =>
  role === 'web' ? names.webName : names.workerName;
