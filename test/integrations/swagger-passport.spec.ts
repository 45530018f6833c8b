import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, type Type, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { ApiBearerAuth, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { AllowAnonymous, RequireScopes, ScopeGuard, SigraAuthGuard } from 'nestjs-sigra';
import { describeSigra } from 'nestjs-sigra/swagger';
import { type HostApp, type HostOptions, startHost } from '../support/host-app.js';
import { createMigratedDatabase, USERS } from '../support/migrated-database.js';

class OwnBearerGuard extends AuthGuard('bearer') {}

@Controller('bearer')
class BearerController {
  @Get('passport')
  @UseGuards(AuthGuard('bearer'))
  passport() {
    return {};
  }

  @Get('own')
  @UseGuards(OwnBearerGuard)
  own() {
    return {};
  }

  @Get('scoped')
  @UseGuards(AuthGuard('bearer'), ScopeGuard)
  @RequireScopes('read:notes')
  scoped() {
    return {};
  }
}

@Controller('host')
class HostController {
  @Get('alone')
  @UseGuards(AuthGuard('jwt'))
  alone() {
    return {};
  }

  @Get('scoped')
  @UseGuards(AuthGuard('jwt'), ScopeGuard)
  @RequireScopes('read:notes')
  scoped() {
    return {};
  }

  @Get('both')
  @UseGuards(AuthGuard('jwt'), SigraAuthGuard)
  @ApiBearerAuth('host')
  both() {
    return {};
  }

  @Get('several')
  @UseGuards(AuthGuard(['jwt', 'bearer']))
  several() {
    return {};
  }

  @Get('open')
  @UseGuards(AuthGuard('jwt'))
  @AllowAnonymous()
  open() {
    return {};
  }
}

@Injectable()
class HostGuard extends AuthGuard('jwt') {}

@Controller('plain')
class PlainController {
  @Get()
  list() {
    return {};
  }
}

interface Operation {
  readonly description?: string;
  readonly security?: object[];
  readonly responses: Record<string, object>;
  readonly 'x-required-scopes'?: string[][];
}

describe('describeSigra with guards of Passport', () => {
  let database: Awaited<ReturnType<typeof createMigratedDatabase>>;
  const hosts: HostApp[] = [];

  const operationsOf = async (controller: Type<object>, guard: HostOptions['guard'] = null) => {
    const host = await startHost({
      adapter: 'express',
      databaseUrl: database.url,
      guard,
      sigra: {
        apiTokens: { scopes: ['read:notes'] },
        jwt: { enabled: true, issuer: 'https://a.example', audience: 'api', secret: 'x'.repeat(32) },
      },
      controllers: [controller],
      providers: [HostGuard],
    });
    hosts.push(host);
    const document = SwaggerModule.createDocument(host.app, new DocumentBuilder().build());
    // As it is sent.
    const { paths } = JSON.parse(JSON.stringify(describeSigra(host.app, document))) as {
      paths: Record<string, { get: Operation }>;
    };
    return (path: string) => paths[path]!.get;
  };

  beforeAll(async () => {
    database = await createMigratedDatabase(USERS);
  });
  afterAll(async () => {
    for (const host of hosts) await host.close();
    await database.drop();
  });

  it("describes AuthGuard('bearer') as a guard for API tokens and JWTs, without sessions", async () => {
    const operation = await operationsOf(BearerController);

    for (const path of ['/bearer/passport', '/bearer/own', '/bearer/scoped']) {
      expect(operation(path).security).toEqual([{ apiToken: [] }, { jwt: [] }]);
      expect(operation(path).responses).toHaveProperty('401');
    }
    expect(operation('/bearer/scoped')['x-required-scopes']).toEqual([['read:notes']]);
  });

  it('leaves operations with another strategy alone', async () => {
    const operation = await operationsOf(HostController);

    for (const path of ['/host/alone', '/host/several', '/host/open']) {
      expect(operation(path)).not.toHaveProperty('security');
      expect(Object.keys(operation(path).responses)).toEqual(['200']);
    }
  });

  it('describes the scopes behind another strategy, whose credentials the application describes', async () => {
    const operation = await operationsOf(HostController);

    expect(operation('/host/scoped')).not.toHaveProperty('security');
    expect(operation('/host/scoped')).toMatchObject({
      description: 'Scope: `read:notes`.',
      'x-required-scopes': [['read:notes']],
      responses: { 403: expect.anything() },
    });
    expect(operation('/host/both').security).toEqual([{ host: [] }]);
  });

  it('leaves all operations alone behind a global guard with another strategy', async () => {
    const operation = await operationsOf(PlainController, HostGuard);

    expect(operation('/plain')).not.toHaveProperty('security');
    expect(Object.keys(operation('/plain').responses)).toEqual(['200']);
  });
});
