import { type INestApplication, Injectable } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { openApiDocument } from './openapi.js';

/** The OpenAPI document of the running application, made when it is first needed. */
@Injectable()
export class ApiDocument {
  private app: INestApplication | undefined;
  private document: OpenAPIObject | undefined;

  /** Gives the document its application, which no provider can ask for. */
  of(app: INestApplication): void {
    this.app = app;
  }

  get(): OpenAPIObject {
    if (!this.app) throw new Error('The API document has no application; mountOpenApi() gives it one');
    return (this.document ??= openApiDocument(this.app));
  }
}
