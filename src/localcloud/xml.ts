const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** Text as XML content. Control characters become numeric references, which is what S3 writes although XML 1.0 forbids most. */
export const escapeXml = (text: string): string =>
  text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to escape
    /[&<>"\u0000-\u0008\u000b\u000c\u000d-\u001f]/g,
    (character) => escapes[character] ?? `&#${character.charCodeAt(0)};`,
  );

/** A tree as XML: a text is content, a list repeats its element, undefined leaves it out. */
export type Xml = string | number | boolean | XmlElement;
export interface XmlElement {
  readonly [name: string]: Xml | readonly Xml[] | undefined;
}

const isList = (value: Xml | readonly Xml[]): value is readonly Xml[] => Array.isArray(value);

const render = (value: Xml): string => {
  if (typeof value !== 'object') return escapeXml(String(value));
  let text = '';
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined) continue;
    for (const one of isList(child) ? child : [child]) text += `<${name}>${render(one)}</${name}>`;
  }
  return text;
};

export const xmlDocument = (root: string, content: XmlElement, namespace?: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace === undefined ? '' : ` xmlns="${namespace}"`}>${render(content)}</${root}>`;
