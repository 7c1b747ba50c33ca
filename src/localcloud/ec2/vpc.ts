/** The default network that every AWS account has in a region, as facts: one VPC and a public subnet in each of three zones. */
export interface Subnet {
  readonly id: string;
  readonly zone: string;
  readonly cidr: string;
}

export interface Vpc {
  readonly id: string;
  readonly cidr: string;
  readonly subnets: readonly Subnet[];
}

export const defaultVpc = (region: string): Vpc => ({
  id: 'vpc-0d000000000000001',
  cidr: '172.31.0.0/16',
  subnets: ['a', 'b', 'c'].map((letter, index) => ({
    id: `subnet-0d00000000000000${letter}`,
    zone: `${region}${letter}`,
    cidr: `172.31.${index * 16}.0/20`,
  })),
});
