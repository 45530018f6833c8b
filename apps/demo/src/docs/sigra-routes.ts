import type { OpenAPIObject } from '@nestjs/swagger';
import { sigraOperations } from './sigra-operations.js';
import { sigraSchemas } from './sigra-schemas.js';

/**
 * Describes the ready-made routes of the library, which carry no Swagger decorators: a host that does not use Swagger
 * must not need it.
 */
export function describeSigraRoutes(document: OpenAPIObject): OpenAPIObject {
  const schemas: Record<string, object> = { ...document.components?.schemas, ...sigraSchemas };
  // What a body without a class becomes; the operations below say what it really is.
  delete schemas.Object;
  document.components = { ...document.components, schemas };
  for (const { method, path, ...description } of sigraOperations) {
    const operation = document.paths[path]?.[method];
    // A wrong description is worse than none, and this is only called when somebody reads the documentation.
    if (!operation) throw new Error(`The documentation describes ${method} ${path}, which does not exist.`);
    Object.assign(operation, description);
  }
  return document;
}
