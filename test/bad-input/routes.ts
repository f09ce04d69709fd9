import type { OpenAPIV3_1 } from 'openapi-types';

/** What a route takes. */
export interface Route {
  readonly path: readonly string[];
  readonly query: readonly string[];
  readonly header: readonly string[];
  readonly body: { readonly fields: readonly string[]; readonly required: readonly string[] };
}

/** The routes as they describe themselves. */
export async function readRoutes(url: string): Promise<Map<string, Route>> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenAPIV3_1.Document;
  const routes = new Map<string, Route>();
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, given] of Object.entries(methods ?? {})) {
      const operation = given as OpenAPIV3_1.OperationObject;
      const parameters = (operation.parameters ?? []) as OpenAPIV3_1.ParameterObject[];
      const namesIn = (place: string): string[] =>
        parameters.filter((each) => each.in === place).map(({ name }) => name);
      const request = operation.requestBody as OpenAPIV3_1.RequestBodyObject | undefined;
      const media = request?.content['application/json']?.schema;
      const schema = media === undefined || '$ref' in media ? undefined : media;
      routes.set(`${method} ${path}`, {
        path: namesIn('path'),
        query: namesIn('query'),
        header: namesIn('header'),
        body: { fields: Object.keys(schema?.properties ?? {}), required: schema?.required ?? [] },
      });
    }
  }
  return routes;
}
