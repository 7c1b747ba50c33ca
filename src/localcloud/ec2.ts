import { randomBytes } from 'node:crypto';
import { Refusal, type Service } from './answer.ts';
import { readFilters } from './ec2/filters.ts';
import type { Instance, InstanceState, Instances } from './ec2/instances.ts';
import { readUserData } from './ec2/userdata.ts';
import {
  indexesOf,
  integerOf,
  listOf,
  type Parameters,
  readParameters,
  unknownAction,
  xmlAnswer,
} from './query.ts';
import { sha256Hex } from './sigv4.ts';
import type { XmlElement } from './xml.ts';

const namespace = 'http://ec2.amazonaws.com/doc/2016-11-15/';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html */
const stateCodes: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
};

/** A cap on live instances: a client in a loop must not fill this machine with processes. */
const maxInstances = 64;

/** Of RunInstances, what cannot be done here and would change what an instance is. The rest describes hardware and networks. */
const unsupported = /^(LaunchTemplate|InstanceMarketOptions|HibernationOptions|EnclaveOptions)\b/;

const stateXml = (state: InstanceState): XmlElement => ({ code: stateCodes[state], name: state });

const tagsXml = (tags: Readonly<Record<string, string>>): XmlElement => ({
  item: Object.entries(tags).map(([key, value]) => ({ key, value })),
});

const hexId = (prefix: string): string => `${prefix}-${randomBytes(9).toString('hex').slice(0, 17)}`;

export const createEc2 = (options: {
  readonly instances: Instances;
  readonly account: string;
  readonly region: string;
}): Service => {
  const { instances, account, region } = options;
  const launches = new Map<string, { readonly parametersHash: string; readonly ids: readonly string[] }>();

  const instanceXml = (instance: Instance): XmlElement => ({
    instanceId: instance.id,
    imageId: instance.imageId,
    instanceState: stateXml(instance.state),
    privateDnsName: instance.state === 'terminated' ? '' : 'localhost',
    dnsName: '',
    reason: instance.reason,
    amiLaunchIndex: instance.launchIndex,
    instanceType: instance.instanceType,
    launchTime: new Date(instance.launchedMs).toISOString(),
    placement: { availabilityZone: `${region}a`, tenancy: 'default' },
    monitoring: { state: 'disabled' },
    ...(instance.state !== 'terminated' && { privateIpAddress: '127.0.0.1' }),
    ...(instance.reason !== '' && {
      stateReason: {
        code: instance.reason.startsWith('Server.')
          ? instance.reason.split(':', 1)[0]
          : 'Client.UserInitiatedShutdown',
        message: instance.reason,
      },
    }),
    architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64',
    ...(instance.clientToken !== '' && { clientToken: instance.clientToken }),
    tagSet: tagsXml(instance.tags),
  });

  const reservationXml = (reservationId: string, members: readonly Instance[]): XmlElement => ({
    reservationId,
    ownerId: account,
    groupSet: '',
    instancesSet: { item: members.map(instanceXml) },
  });

  const readTags = (parameters: Parameters): Record<string, string> => {
    const tags: Record<string, string> = Object.create(null);
    for (const index of indexesOf(parameters, 'TagSpecification')) {
      const prefix = `TagSpecification.${index}`;
      const kind = parameters.get(`${prefix}.ResourceType`);
      // Volumes and network interfaces are tagged in the same call on AWS; here there are none.
      if (kind !== 'instance') continue;
      for (const number of indexesOf(parameters, `${prefix}.Tag`)) {
        const key = parameters.get(`${prefix}.Tag.${number}.Key`) ?? '';
        if (key === '' || key.startsWith('aws:'))
          throw new Refusal('InvalidParameterValue', `Tag key '${key}' is invalid.`);
        tags[key] = parameters.get(`${prefix}.Tag.${number}.Value`) ?? '';
      }
    }
    return tags;
  };

  const counts = (parameters: Parameters): number => {
    const min = integerOf(parameters, 'MinCount');
    const max = integerOf(parameters, 'MaxCount');
    if (min === undefined || max === undefined)
      throw new Refusal('MissingParameter', 'The request must contain the parameters MinCount and MaxCount.');
    if (min < 1 || max < min)
      throw new Refusal(
        'InvalidParameterValue',
        `MinCount ${min} and MaxCount ${max} do not fit each other.`,
      );
    const live = instances.list().filter(({ state }) => state !== 'terminated').length;
    if (live + min > maxInstances)
      throw new Refusal(
        'InstanceLimitExceeded',
        `The local cloud runs at most ${maxInstances} instances and has ${live}.`,
      );
    return Math.min(max, maxInstances - live);
  };

  const run = (parameters: Parameters): XmlElement => {
    const parametersHash = sha256Hex(JSON.stringify([...parameters].sort(([a], [b]) => (a < b ? -1 : 1))));
    const clientToken = parameters.get('ClientToken') ?? '';
    if (clientToken.length > 64)
      throw new Refusal('InvalidParameterValue', 'ClientToken is limited to 64 characters.');
    const earlier = clientToken === '' ? undefined : launches.get(clientToken);
    if (earlier) {
      if (earlier.parametersHash !== parametersHash)
        throw new Refusal(
          'IdempotentParameterMismatch',
          'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
        );
      const members = earlier.ids.map(instances.get).filter((instance) => instance !== undefined);
      if (members[0]) return reservationXml(members[0].reservationId, members);
    }
    for (const name of parameters.keys())
      if (unsupported.test(name))
        throw new Refusal('UnsupportedOperation', `The local cloud does not have ${name} of RunInstances.`);
    const userData = readUserData(parameters.get('UserData'));
    const tags = readTags(parameters);
    const count = counts(parameters);
    if (parameters.get('DryRun') === 'true')
      throw new Refusal('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    if (!instances.canLaunch())
      throw new Refusal(
        'UnsupportedOperation',
        'This local cloud was started without a program for its instances, or is closing.',
      );
    const reservationId = hexId('r');
    const members = Array.from({ length: count }, (_, launchIndex) =>
      instances.launch({
        reservationId,
        launchIndex,
        imageId: parameters.get('ImageId') ?? 'ami-00000000000000000',
        instanceType: parameters.get('InstanceType') ?? 'm1.small',
        clientToken,
        tags,
        userData,
      }),
    );
    if (clientToken !== '') {
      for (const [token, { ids }] of launches) if (!ids.some(instances.get)) launches.delete(token);
      launches.set(clientToken, { parametersHash, ids: members.map(({ id }) => id) });
    }
    return reservationXml(reservationId, members);
  };

  const known = (ids: readonly string[]): readonly Instance[] => {
    const malformed = ids.find((id) => !/^i-[0-9a-f]{8,17}$/.test(id));
    if (malformed !== undefined)
      throw new Refusal('InvalidInstanceID.Malformed', `Invalid id: "${malformed}"`);
    const unknown = ids.filter((id) => !instances.get(id));
    if (unknown.length > 0)
      throw new Refusal(
        'InvalidInstanceID.NotFound',
        `The instance ID${unknown.length > 1 ? 's' : ''} '${unknown.join(', ')}' do${unknown.length > 1 ? '' : 'es'} not exist`,
      );
    return ids.map(instances.get).filter((instance) => instance !== undefined);
  };

  const describe = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'InstanceId');
    const max = integerOf(parameters, 'MaxResults');
    const token = parameters.get('NextToken');
    if (max !== undefined && (max < 5 || max > 1000))
      throw new Refusal(
        'InvalidParameterValue',
        `Value ( ${max} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.`,
      );
    if (max !== undefined && ids.length > 0)
      throw new Refusal(
        'InvalidParameterCombination',
        'The parameter instancesSet cannot be used with the parameter maxResults',
      );
    const filter = readFilters(parameters);
    const all = instances.list();
    const wanted = (ids.length > 0 ? known([...new Set(ids)]) : all).filter(filter);
    // The token names the last instance shown; new ones are listed after it and the forgotten ones before it.
    const start = token === undefined ? 0 : wanted.findIndex(({ id }) => id === token) + 1;
    if (token !== undefined && start === 0)
      throw new Refusal('InvalidNextToken', 'The token is not valid or has expired.');
    const page = wanted.slice(start, start + (max ?? 1000));
    const reservations = new Map<string, Instance[]>();
    for (const instance of page) {
      const members = reservations.get(instance.reservationId) ?? [];
      members.push(instance);
      reservations.set(instance.reservationId, members);
    }
    const last = page.at(-1);
    return {
      reservationSet: { item: [...reservations].map(([id, members]) => reservationXml(id, members)) },
      ...(last && start + page.length < wanted.length && { nextToken: last.id }),
    };
  };

  const terminate = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'InstanceId');
    if (ids.length === 0)
      throw new Refusal('MissingParameter', 'The request must contain the parameter InstanceId.');
    const changes = known([...new Set(ids)]).map((instance) => {
      const before = instance.state;
      instances.terminate(instance.id);
      return {
        instanceId: instance.id,
        currentState: stateXml(instance.state),
        previousState: stateXml(before),
      };
    });
    return { instancesSet: { item: changes } };
  };

  const operations: Readonly<Record<string, (parameters: Parameters) => XmlElement>> = {
    RunInstances: run,
    DescribeInstances: describe,
    TerminateInstances: terminate,
  };

  return {
    maxBodyBytes: 1024 * 1024,
    handle: (call, requestId) => {
      const parameters = readParameters(call.body());
      const action = parameters.get('Action') ?? '';
      const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
      if (!operation) throw unknownAction(action);
      return xmlAnswer(200, `${action}Response`, { requestId, ...operation(parameters) }, namespace);
    },
    refuse: (refusal, _call, requestId) =>
      xmlAnswer(refusal.status, 'Response', {
        Errors: { Error: { Code: refusal.code, Message: refusal.message } },
        RequestID: requestId,
      }),
  };
};
