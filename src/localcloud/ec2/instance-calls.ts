import { Refusal } from '../answer.ts';
import type { FaultEngine } from '../faults/engine.ts';
import { listOf, type Parameters } from '../query.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, readFilters } from './filters.ts';
import { type InstancePlace, reservationXml, stateCode, stateXml } from './instance-xml.ts';
import type { Instance, InstanceState, Instances } from './instances.ts';
import { isId } from './names.ts';
import type { CallContext, Ec2Operations } from './operations.ts';
import { pageOf } from './paging.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html, those that can tell instances apart here. */
const filterable: Filterable<Instance> = {
  'availability-zone': ({ zone }) => [zone],
  'client-token': ({ clientToken }) => [clientToken],
  'iam-instance-profile.arn': ({ profileArn }) => [profileArn],
  'image-id': ({ imageId }) => [imageId],
  'instance-id': ({ id }) => [id],
  'instance-lifecycle': ({ market }) => (market === 'spot' ? ['spot'] : []),
  'instance-state-code': ({ state }) => [String(stateCode(state))],
  'instance-state-name': ({ state }) => [state],
  'instance-type': ({ instanceType }) => [instanceType],
  'instance.group-id': ({ groupIds }) => groupIds,
  'reservation-id': ({ reservationId }) => [reservationId],
  'subnet-id': ({ subnetId }) => [subnetId],
};

/** What EC2 says when a pool is empty. It is one of the errors that are its own. */
export const noCapacity = (instanceType: string): Refusal =>
  new Refusal(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient ${instanceType} capacity in the Availability Zone you requested.`,
    500,
  );

/** Throws a Refusal for what is no id and for what no instance has. */
export const knownInstances = (
  instances: Pick<Instances, 'get'>,
  ids: readonly string[],
): readonly Instance[] => {
  const malformed = ids.find((id) => !isId('i', id));
  if (malformed !== undefined) throw new Refusal('InvalidInstanceID.Malformed', `Invalid id: "${malformed}"`);
  const unknown = ids.filter((id) => !instances.get(id));
  if (unknown.length > 0)
    throw new Refusal(
      'InvalidInstanceID.NotFound',
      `The instance ID${unknown.length > 1 ? 's' : ''} '${unknown.join(', ')}' do${unknown.length > 1 ? '' : 'es'} not exist`,
    );
  return ids.map((id) => instances.get(id)).filter((instance) => instance !== undefined);
};

/** DescribeInstances and what changes the state of instances that are there. */
export const createInstanceCalls = (options: {
  readonly instances: Instances;
  readonly account: string;
  readonly place: InstancePlace;
  readonly faults: Pick<FaultEngine, 'nextLaunch'>;
}): Ec2Operations => {
  const { instances, account, place, faults } = options;

  const describe = (parameters: Parameters, { lagMs }: CallContext): XmlElement => {
    const ids = listOf(parameters, 'InstanceId');
    if (parameters.has('MaxResults') && ids.length > 0)
      throw new Refusal(
        'InvalidParameterCombination',
        'The parameter instancesSet cannot be used with the parameter maxResults',
      );
    const filter = readFilters(parameters, filterable, ({ tags }) => tags);
    const all = lagMs === 0 ? instances.list() : instances.listAsOf(lagMs);
    const get = lagMs === 0 ? instances.get : (id: string) => all.find((one) => one.id === id);
    const wanted = (ids.length > 0 ? knownInstances({ get }, [...new Set(ids)]) : all).filter(filter);
    const { page, nextToken } = pageOf(parameters, wanted, { min: 5, max: 1000 });
    const reservations = new Map<string, Instance[]>();
    for (const instance of page) {
      const members = reservations.get(instance.reservationId) ?? [];
      members.push(instance);
      reservations.set(instance.reservationId, members);
    }
    return {
      reservationSet: {
        item: [...reservations].map(([id, members]) => reservationXml(id, account, members, place)),
      },
      nextToken,
    };
  };

  /** All instances are found and allowed to change before any does. */
  const changing =
    (isAllowed: (instance: Instance) => void, act: (id: string, parameters: Parameters) => void) =>
    (parameters: Parameters): XmlElement => {
      const ids = listOf(parameters, 'InstanceId');
      if (ids.length === 0)
        throw new Refusal('MissingParameter', 'The request must contain the parameter InstanceId.');
      const found = knownInstances(instances, [...new Set(ids)]);
      found.forEach(isAllowed);
      if (parameters.get('DryRun') === 'true')
        throw new Refusal('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
      return {
        instancesSet: {
          item: found.map(({ id, state }) => {
            act(id, parameters);
            return {
              instanceId: id,
              currentState: stateXml(instances.get(id)?.state ?? 'terminated'),
              previousState: stateXml(state),
            };
          }),
        },
      };
    };

  const refuseUnless =
    (states: readonly InstanceState[], done: string) =>
    ({ id, state }: Instance): void => {
      if (!states.includes(state))
        throw new Refusal(
          'IncorrectInstanceState',
          `The instance '${id}' is not in a state from which it can be ${done}.`,
        );
    };
  const mayStop = refuseUnless(['running', 'stopping', 'stopped'], 'stopped');

  return {
    DescribeInstances: describe,
    TerminateInstances: changing(
      () => {},
      (id) => instances.terminate(id),
    ),
    StopInstances: changing(
      (instance) => {
        // Only a persistent Spot request outlives a stop, and RunInstances takes none here.
        if (instance.market === 'spot')
          throw new Refusal(
            'UnsupportedOperation',
            `You can't stop the Spot Instance '${instance.id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.`,
          );
        mayStop(instance);
      },
      (id, parameters) => instances.stop(id, parameters.get('Force') === 'true'),
    ),
    StartInstances: changing(refuseUnless(['stopped', 'pending', 'running'], 'started'), (id) => {
      const instance = instances.get(id);
      if (instance?.state !== 'stopped') return;
      const disturbance = faults.nextLaunch('ec2:StartInstances', instance);
      if (!disturbance.hasCapacity || !instances.canLaunch()) throw noCapacity(instance.instanceType);
      instances.start(id, disturbance);
    }),
  };
};
