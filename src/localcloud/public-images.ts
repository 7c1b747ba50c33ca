/** A machine image of Amazon's own. On this machine no image is ever booted; what matters is that an id exists and fits. */
export interface PublicImage {
  readonly id: string;
  readonly name: string;
  readonly architecture: 'x86_64' | 'arm64';
  /** Names under `/aws/service/ami-amazon-linux-latest/`: https://docs.aws.amazon.com/linux/al2023/ug/ec2.html */
  readonly parameters: readonly string[];
}

const amazonLinux = (kind: '' | 'minimal-', architecture: 'x86_64' | 'arm64', id: string): PublicImage => ({
  id,
  name: `al2023-ami-${kind}2023.0.20260101.0-kernel-6.1-${architecture}`,
  architecture,
  parameters: ['default', '6.1'].map((kernel) => `al2023-ami-${kind}kernel-${kernel}-${architecture}`),
});

/** Amazon Linux 2023, standard and minimal, for both architectures. */
export const publicImages: readonly PublicImage[] = [
  amazonLinux('', 'x86_64', 'ami-0a100000000000864'),
  amazonLinux('', 'arm64', 'ami-0a100000000000a64'),
  amazonLinux('minimal-', 'x86_64', 'ami-0a1000000000000e6'),
  amazonLinux('minimal-', 'arm64', 'ami-0a1000000000000ea'),
];

const folder = '/aws/service/ami-amazon-linux-latest/';

/** The public parameters that name these images, by their name. */
export const publicParameters: ReadonlyMap<string, string> = new Map(
  publicImages.flatMap(({ id, parameters }) =>
    parameters.map((name): [string, string] => [`${folder}${name}`, id]),
  ),
);
