import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { Project } from '../projects/project.entity.js';
import { hashPassword } from '../users/password.js';
import { User } from '../users/user.entity.js';

export const DEMO_PASSWORD = 'sigra-demo';

export const DEMO_USERS = [
  { email: 'ada@example.com', isAdmin: true, projects: ['Analytical engine', 'Notes on Bernoulli numbers'] },
  { email: 'grace@example.com', isAdmin: false, projects: ['Compiler A-0'] },
] as const;

/** Creates the first users and their projects. Existing users stay as they are. */
export async function seed(manager: EntityManager): Promise<void> {
  for (const { email, isAdmin, projects } of DEMO_USERS) {
    if (await manager.existsBy(User, { email })) continue;
    const user = manager.create(User, {
      id: randomUUID(),
      email,
      isAdmin,
      passwordHash: await hashPassword(DEMO_PASSWORD),
    });
    const now = Date.now();
    const owned = projects.map((name, index) =>
      manager.create(Project, { id: randomUUID(), ownerId: user.id, name, createdAt: new Date(now + index) }),
    );
    await manager.transaction(async (transaction) => {
      await transaction.insert(User, user);
      await transaction.insert(Project, owned);
    });
  }
}
