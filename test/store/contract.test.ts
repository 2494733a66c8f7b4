import { describeStoreContract } from '../contract/store.ts';
import { localStore, threadedStore } from './stores.ts';

describeStoreContract('the store in a thread of its own', threadedStore);
describeStoreContract('the store in this thread', localStore);
