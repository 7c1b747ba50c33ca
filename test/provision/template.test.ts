import { describe, expect, test } from 'vitest';
import { cloudFormation } from '../../src/provision/cloudformation.ts';
import { wantedResources } from '../../src/provision/wanted.ts';
import { accepted } from './accepted-findings.ts';
import { type CheckovOutcome, cdkNag, cfnLint, checkov, judges, without } from './judges.ts';
import { someSite, someWish } from './wish.ts';

const template = cloudFormation('demo', wantedResources(someSite, someWish));

/** The template with faults that the judges must see: without that, their silence would say nothing. */
const changed = (...changes: readonly (readonly [from: string, to: string])[]): typeof template =>
  JSON.parse(
    changes.reduce((text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`the template has no ${from}`);
      return text.replace(from, to);
    }, JSON.stringify(template)),
  ) as typeof template;

const misspelt = changed(['"VisibilityTimeout":30', '"VisibilityTimeout":"soon"']);
const open = changed(
  ['"CidrIp":"203.0.113.7/32"', '"CidrIp":"0.0.0.0/0"'],
  ['"BlockPublicAcls":true', '"BlockPublicAcls":false'],
);

describe('the CloudFormation template', () => {
  test('has every wanted resource once, and a policy resource for each bucket and queue', () => {
    const types = Object.values(template.Resources).map(({ Type }) => Type);
    const count = (type: string) => types.filter((each) => each === type).length;
    // CloudFormation makes no SecureString, and the template says who does.
    expect(types.length).toBe(wantedResources(someSite, someWish).length - 1 + 5);
    expect(template.Metadata).toEqual({
      NotInThisTemplate: [
        expect.stringMatching(
          /SecureString \/imgrec\/demo\/api-keys: "imgrec provision --cluster demo --adopt --api-keys"/,
        ),
      ],
    });
    expect(
      cloudFormation('demo', wantedResources(someSite, { ...someWish, apiKeys: false })),
    ).not.toHaveProperty('Metadata');
    expect([count('AWS::S3::BucketPolicy'), count('AWS::SQS::QueuePolicy')]).toEqual([3, 2]);
  });

  test('leaves no reference open', () => {
    const text = JSON.stringify(template);
    expect(text).not.toContain('\\u0000');
    expect(text).not.toContain('"ref":');
    const named = [...text.matchAll(/"(?:Ref":|Fn::GetAtt":\[)"([A-Za-z0-9]+)"/g)].map(([, id = '']) => id);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((id) => !(id in template.Resources))).toEqual([]);
  });

  const title = `before cfn-lint and checkov${without.cfnLint}`;
  describe.skipIf(without.cfnLint !== '')(title, { timeout: 60_000 }, () => {
    const folder = judges.cfnLint ?? '';

    test('cfn-lint finds nothing, and something where there is a fault', async () => {
      expect(await cfnLint(folder, template)).toBe('');
      expect(await cfnLint(folder, misspelt)).toContain("'soon' is not of type 'integer'");
    });

    test('checkov finds what is accepted with a reason, exactly', async () => {
      const [{ passed, findings }, planted] = (await Promise.all(
        [template, open].map((each) => checkov(folder, each)),
      )) as [CheckovOutcome, CheckovOutcome];
      expect(passed).toBeGreaterThan(40);
      expect([...findings].sort()).toEqual(Object.keys(accepted.checkov).sort());
      expect(planted.findings).toContain('CKV_AWS_53 OpsBucket');
    });
  });

  test.skipIf(without.cdkNag !== '')(
    `cdk-nag AwsSolutions finds what is accepted with a reason, exactly${without.cdkNag}`,
    { timeout: 60_000 },
    async () => {
      const folder = judges.cdkNag ?? '';
      const [findings = [], planted = []] = await Promise.all(
        [template, open].map((each) => cdkNag(folder, each)),
      );
      expect([...new Set(findings)].sort()).toEqual(Object.keys(accepted.cdkNag).sort());
      expect(planted).toContain('AwsSolutions-EC23 WebSecurityGroup');
    },
  );
});
