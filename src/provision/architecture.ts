/** The processor that a machine image and the software are made for. */
export type Architecture = 'x64' | 'arm64';

/**
 * The architecture of an instance type, by its name: a `g` after the generation's digit is Graviton (c7g, m8gd, c7gn, is4gen),
 * one before it is a GPU (g5).
 * https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
 */
export const architectureOf = (instanceType: string): Architecture =>
  /^(a1|[a-z]+\d+[a-z]*g[a-z-]*)\./.test(instanceType) ? 'arm64' : 'x64';

/** Types whose full speed costs credits: T3's surplus credits can cost five times the instance. */
export const isBurstable = (instanceType: string): boolean => /^t\d/.test(instanceType);
