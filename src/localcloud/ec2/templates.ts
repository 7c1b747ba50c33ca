import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import { integerOf, listOf, type Parameters } from '../query.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import type { XmlElement } from '../xml.ts';
import { type Filterable, readFilters } from './filters.ts';
import { hexId, isId } from './names.ts';
import type { Ec2Operations } from './operations.ts';
import { pageOf } from './paging.ts';
import { readTags, type Taggable, type Tags, tagsXml } from './tags.ts';
import { readTemplateData, type TemplateData, templateDataXml } from './template-data.ts';

interface Template {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  readonly defaultVersion: number;
  readonly latestVersion: number;
  readonly clientToken: string;
  readonly tags: Tags;
}

interface TemplateVersion {
  readonly id: string;
  readonly number: number;
  readonly description: string;
  readonly createdMs: number;
  readonly clientToken: string;
  readonly data: TemplateData;
}

export interface Templates {
  readonly operations: Ec2Operations;
  readonly taggable: Taggable;
  /** What `LaunchTemplate.*` of RunInstances names. Throws a Refusal where there is none. */
  readonly resolve: (parameters: Parameters) => {
    readonly id: string;
    readonly version: number;
    readonly data: TemplateData;
  };
}

const filterable: Filterable<Template> = {
  'create-time': ({ createdMs }) => [new Date(createdMs).toISOString()],
  'launch-template-name': ({ name }) => [name],
};

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html */
const nameForm = /^[a-zA-Z0-9().\-/_]{3,128}$/;

/** Launch templates and their versions. */
export const createTemplates = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
}): Templates => {
  const { clock, account } = options;
  const templates: Shelf<Template> = options.shelves.open('ec2.template');
  const versions: Shelf<TemplateVersion> = options.shelves.open('ec2.template-version');
  const createdBy = `arn:aws:iam::${account}:user/local`;

  const byName = (name: string): Template | undefined =>
    [...templates.values()].find((template) => template.name === name);

  const byId = (id: string): Template => {
    if (!isId('lt', id))
      throw new Refusal('InvalidLaunchTemplateId.Malformed', `The launch template ID '${id}' is malformed.`);
    const template = templates.get(id);
    if (!template)
      throw new Refusal(
        'InvalidLaunchTemplateId.NotFound',
        `The specified launch template, with template ID ${id}, does not exist.`,
      );
    return template;
  };

  /** The template that `${prefix}LaunchTemplateId` or `…Name` names; just one of the two must be there. */
  const find = (parameters: Parameters, prefix = ''): Template => {
    const id = parameters.get(`${prefix}LaunchTemplateId`);
    const name = parameters.get(`${prefix}LaunchTemplateName`);
    if ((id === undefined) === (name === undefined))
      throw new Refusal(
        id === undefined ? 'MissingParameter' : 'InvalidParameterCombination',
        'The request must contain either a launch template ID or a launch template name.',
      );
    if (id !== undefined) return byId(id);
    const template = byName(name ?? '');
    if (!template)
      throw new Refusal(
        'InvalidLaunchTemplateName.NotFoundException',
        `The specified launch template, with template name ${name}, does not exist.`,
      );
    return template;
  };

  const findVersion = (template: Template, version: string): TemplateVersion => {
    const number =
      version === '$Default'
        ? template.defaultVersion
        : version === '$Latest'
          ? template.latestVersion
          : Number(version);
    const found = versions.get(`${template.id}/${number}`);
    if (!found)
      throw new Refusal(
        'InvalidLaunchTemplateId.VersionNotFound',
        `Could not find the specified version ${version} for the launch template with ID ${template.id}.`,
      );
    return found;
  };

  const templateXml = (template: Template): XmlElement => ({
    launchTemplateId: template.id,
    launchTemplateName: template.name,
    createTime: new Date(template.createdMs).toISOString(),
    createdBy,
    defaultVersionNumber: template.defaultVersion,
    latestVersionNumber: template.latestVersion,
    tagSet: tagsXml(template.tags),
  });

  const versionXml = (template: Template, version: TemplateVersion): XmlElement => ({
    launchTemplateId: template.id,
    launchTemplateName: template.name,
    versionNumber: version.number,
    ...(version.description !== '' && { versionDescription: version.description }),
    createTime: new Date(version.createdMs).toISOString(),
    createdBy,
    defaultVersion: version.number === template.defaultVersion,
    launchTemplateData: templateDataXml(version.data),
  });

  const addVersion = (template: Template, parameters: Parameters, source?: TemplateData): TemplateVersion => {
    const version: TemplateVersion = {
      id: template.id,
      number: template.latestVersion,
      description: parameters.get('VersionDescription') ?? '',
      createdMs: clock.wallMs(),
      clientToken: parameters.get('ClientToken') ?? '',
      data: readTemplateData(parameters, source),
    };
    if (version.data.length === 0)
      throw new Refusal('MissingParameter', 'The request must contain the parameter LaunchTemplateData');
    versions.put(`${template.id}/${version.number}`, version);
    // The template after its version: one that names a version that is not there would be of no use.
    templates.put(template.id, template);
    return version;
  };

  const versionsOf = (template: Template): readonly TemplateVersion[] =>
    [...versions.values()].filter(({ id }) => id === template.id).sort((a, b) => b.number - a.number);

  const create = (parameters: Parameters): XmlElement => {
    const name = parameters.get('LaunchTemplateName') ?? '';
    const clientToken = parameters.get('ClientToken') ?? '';
    if (!nameForm.test(name))
      throw new Refusal(
        'InvalidLaunchTemplateName.MalformedException',
        `The launch template name '${name}' is not valid: 3 to 128 letters, digits and ().-/_`,
      );
    const present = byName(name);
    if (present && (clientToken === '' || present.clientToken !== clientToken))
      throw new Refusal(
        'InvalidLaunchTemplateName.AlreadyExistsException',
        'Launch template name already in use.',
      );
    if (present) return { launchTemplate: templateXml(present) };
    const template: Template = {
      id: hexId('lt'),
      name,
      createdMs: clock.wallMs(),
      defaultVersion: 1,
      latestVersion: 1,
      clientToken,
      tags: readTags(parameters, 'launch-template'),
    };
    addVersion(template, parameters);
    return { launchTemplate: templateXml(template) };
  };

  const createVersion = (parameters: Parameters): XmlElement => {
    const template = find(parameters);
    const token = parameters.get('ClientToken') ?? '';
    const repeated = token === '' ? undefined : versionsOf(template).find((one) => one.clientToken === token);
    if (repeated) return { launchTemplateVersion: versionXml(template, repeated) };
    const source = parameters.get('SourceVersion');
    const data = source === undefined ? undefined : findVersion(template, source).data;
    const next = { ...template, latestVersion: template.latestVersion + 1 };
    return { launchTemplateVersion: versionXml(next, addVersion(next, parameters, data)) };
  };

  const modify = (parameters: Parameters): XmlElement => {
    const template = find(parameters);
    const version = parameters.get('SetDefaultVersion');
    if (version === undefined)
      throw new Refusal('MissingParameter', 'The request must contain the parameter DefaultVersion');
    const changed = { ...template, defaultVersion: findVersion(template, version).number };
    templates.put(template.id, changed);
    return { launchTemplate: templateXml(changed) };
  };

  const remove = (parameters: Parameters): XmlElement => {
    const template = find(parameters);
    templates.remove(template.id);
    for (const { number } of versionsOf(template)) versions.remove(`${template.id}/${number}`);
    return { launchTemplate: templateXml(template) };
  };

  const describe = (parameters: Parameters): XmlElement => {
    const ids = listOf(parameters, 'LaunchTemplateId');
    const names = listOf(parameters, 'LaunchTemplateName');
    const named = [...ids.map(byId), ...names.map((name) => find(new Map([['LaunchTemplateName', name]])))];
    const filter = readFilters(parameters, filterable, ({ tags }) => tags);
    const wanted = (ids.length + names.length > 0 ? named : [...templates.values()]).filter(filter);
    const { page, nextToken } = pageOf(parameters, wanted, { min: 1, max: 200 });
    return {
      launchTemplates: { item: page.map(templateXml) },
      nextToken,
    };
  };

  const describeVersions = (parameters: Parameters): XmlElement => {
    const wanted = listOf(parameters, 'LaunchTemplateVersion');
    const isNamed = parameters.has('LaunchTemplateId') || parameters.has('LaunchTemplateName');
    if (!isNamed && (wanted.length === 0 || wanted.some((version) => !version.startsWith('$'))))
      throw new Refusal(
        'MissingParameter',
        'Name a launch template, or ask for $Latest and $Default of all.',
      );
    const min = integerOf(parameters, 'MinVersion') ?? 0;
    const max = integerOf(parameters, 'MaxVersion') ?? Number.POSITIVE_INFINITY;
    const found = (isNamed ? [find(parameters)] : [...templates.values()]).flatMap((template) => {
      const all =
        wanted.length > 0
          ? [...new Set(wanted.map((version) => findVersion(template, version)))]
          : versionsOf(template);
      return all
        .filter(({ number }) => number >= min && number <= max)
        .map((version) => ({ id: `${template.id}/${version.number}`, template, version }));
    });
    const { page, nextToken } = pageOf(parameters, found, { min: 1, max: 200 });
    return {
      launchTemplateVersionSet: { item: page.map(({ template, version }) => versionXml(template, version)) },
      nextToken,
    };
  };

  return {
    operations: {
      CreateLaunchTemplate: create,
      CreateLaunchTemplateVersion: createVersion,
      DeleteLaunchTemplate: remove,
      DescribeLaunchTemplateVersions: describeVersions,
      DescribeLaunchTemplates: describe,
      ModifyLaunchTemplate: modify,
    },
    taggable: {
      prefix: 'lt',
      find: byId,
      setTags: (id, tags) => templates.put(id, { ...byId(id), tags }),
    },
    resolve: (parameters) => {
      const template = find(parameters, 'LaunchTemplate.');
      const version = findVersion(template, parameters.get('LaunchTemplate.Version') ?? '$Default');
      return { id: template.id, version: version.number, data: version.data };
    },
  };
};
