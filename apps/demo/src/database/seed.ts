import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { Member, Organization } from '../organizations/organization.entities.js';
import { ORGANIZATION } from '../organizations/organizations.service.js';
import { Project } from '../projects/project.entity.js';
import { hashPassword } from '../users/password.js';
import { User } from '../users/user.entity.js';

export const DEMO_PASSWORD = 'sigra-demo';

export const DEMO_USERS = [
  {
    email: 'ada@example.com',
    isAdmin: true,
    role: 'owner',
    projects: ['Analytical engine', 'Notes on Bernoulli numbers'],
  },
  { email: 'grace@example.com', isAdmin: false, role: 'member', projects: ['Compiler A-0'] },
] as const;

export const DEMO_ORGANIZATION = { name: 'Society of Computers', projects: ['Tables of the Moon'] } as const;

/** Creates the first users, their organization and all projects. Existing ones stay as they are. */
export async function seed(manager: EntityManager): Promise<void> {
  for (const { email, isAdmin, projects } of DEMO_USERS) {
    if (await manager.existsBy(User, { email })) continue;
    const passwordHash = await hashPassword(DEMO_PASSWORD);
    const user = manager.create(User, { id: randomUUID(), email, isAdmin, passwordHash });
    await manager.transaction(async (transaction) => {
      await transaction.insert(User, user);
      await transaction.insert(Project, projectsOf('user', user.id, projects));
    });
  }
  const { name, projects } = DEMO_ORGANIZATION;
  if (await manager.existsBy(Organization, { name })) return;
  const organizationId = randomUUID();
  await manager.transaction(async (transaction) => {
    await transaction.insert(Organization, { id: organizationId, name });
    for (const { email, role } of DEMO_USERS) {
      const { id: userId } = await transaction.findOneByOrFail(User, { email });
      await transaction.insert(Member, { organizationId, userId, role });
    }
    await transaction.insert(Project, projectsOf(ORGANIZATION, organizationId, projects));
  });
}

function projectsOf(ownerType: string, ownerId: string, names: readonly string[]): Project[] {
  const now = Date.now();
  return names.map((name, index) => ({ id: randomUUID(), ownerType, ownerId, name, createdAt: new Date(now + index) }));
}
