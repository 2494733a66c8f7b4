/** All views but the overview: one file of the bundle, so that the first values do not wait for what nobody looks at yet. */
import type { Hub } from '../hub.ts';
import { Alarms } from './alarms.tsx';
import { Configuration } from './configuration.tsx';
import { Inventory } from './inventory.tsx';
import { Lines } from './lines.tsx';
import { Maintenance } from './maintenance.tsx';
import { Production } from './production.tsx';
import { Quality } from './quality.tsx';
import { Store, Uplinks } from './store.tsx';
import { Tag } from './tag.tsx';
import { Tags } from './tags.tsx';
import { Wall } from './wall.tsx';

export { LogIn } from './log-in.tsx';

/** What every view is handed. */
export interface ViewProps {
  readonly hub: Hub;
  /** First part of the address. */
  readonly view: string;
  /** Its other parts. */
  readonly rest: readonly string[];
  /** The gateway wants a token. */
  readonly onRefused: () => void;
}

/** The view of an address. */
export function View({ hub, view, rest, onRefused }: ViewProps) {
  switch (view) {
    case 'alarms':
      return <Alarms hub={hub} onRefused={onRefused} />;
    case 'tags':
      return <Tags hub={hub} device={rest[0]} />;
    case 'tag':
      return <Tag hub={hub} name={rest.join('/')} onRefused={onRefused} />;
    case 'quality':
      return <Quality />;
    case 'production':
      return <Production hub={hub} onRefused={onRefused} />;
    case 'maintenance':
      return <Maintenance hub={hub} onRefused={onRefused} />;
    case 'inventory':
      return <Inventory hub={hub} onRefused={onRefused} />;
    case 'lines':
      return <Lines hub={hub} />;
    case 'uplinks':
      return <Uplinks hub={hub} />;
    case 'store':
      return <Store hub={hub} />;
    case 'configuration':
      return <Configuration hub={hub} onRefused={onRefused} />;
    case 'wall':
      return <Wall hub={hub} />;
    default:
      return <p>There is no such view.</p>;
  }
}
