/** The applications that the experiments are about. */
import type { SystemName } from '../systems/system.ts';

export type ApplicationName = 'boutique' | 'hotel' | 'social' | 'media' | 'sample';

/** By name, the module that exports each as `application`. `sample` is only for trying things out. */
const MODULES: Readonly<Record<ApplicationName, string>> = {
  boutique: '../../apps/boutique/application.ts',
  hotel: '../../apps/hotel/application.ts',
  social: '../../apps/social/application.ts',
  media: '../../apps/media/application.ts',
  sample: '../systems/fixture/application.ts',
};

export const APPLICATIONS: readonly ApplicationName[] = ['boutique', 'hotel', 'social', 'media'];
export const SYSTEMS: readonly SystemName[] = ['jord', 'unsafe', 'messages', 'processes'];

export function applicationUrl(name: ApplicationName): string {
  return new URL(MODULES[name], import.meta.url).href;
}
