/** The origin of an answer by its headers: a named region, or the data centre in Cloudflare's ray. */
const NAMED = ['x-fal-region', 'x-region', 'fly-region'];

/** At most 40 letters, digits and dashes. Undefined when the headers say nothing. */
export function servedFrom(headers: Headers): string | undefined {
  const named = NAMED.map((name) => headers.get(name)).find((value) => value !== null && value !== '');
  const said = named ?? headers.get('cf-ray')?.split('-')[1];
  const plain = said?.replaceAll(/[^\w-]/g, '').slice(0, 40);
  return plain === '' ? undefined : plain;
}
