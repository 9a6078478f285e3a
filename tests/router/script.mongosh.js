// What an operator types into mongosh against a mongos; every answer is checked by its name.
const answers = {};
const target = db.getSiblingDB(process.env.DATABASE);
const ns = (name) => `${target.getName()}.${name}`;
const [first, second] = db.adminCommand({ listShards: 1 }).shards.map((shard) => shard._id);

answers.enabled = sh.enableSharding(target.getName(), first).ok;
answers.ranged = sh.shardCollection(ns("ranged"), { k: 1 }).ok;
answers.hashed = sh.shardCollection(ns("hashed"), { k: "hashed" }).ok;
target.ranged.insertMany([...Array(100).keys()].map((k) => ({ k })));
answers.inserted = target.ranged.countDocuments({});
answers.splitAt = sh.splitAt(ns("ranged"), { k: 50 }).ok;
answers.splitFind = sh.splitFind(ns("ranged"), { k: 10 }).ok;
answers.moved = sh.moveChunk(ns("ranged"), { k: 60 }, second).ok;
answers.tagged = sh.addShardTag(first, "near").ok;
answers.range = sh.addTagRange(ns("ranged"), { k: 0 }, { k: 10 }, "near").ok;
answers.rangeGone = sh.removeTagRange(ns("ranged"), { k: 0 }, { k: 10 }, "near").ok;
answers.zoned = sh.addShardToZone(second, "far").ok;
answers.zoneGone = sh.removeShardFromZone(second, "far").ok;
answers.untagged = sh.removeShardTag(first, "near").ok;
answers.stopped = sh.stopBalancer().ok;
answers.off = sh.getBalancerState();
answers.started = sh.startBalancer().ok;
answers.on = sh.getBalancerState();
answers.running = typeof sh.isBalancerRunning();
answers.updated = target.ranged.updateMany({ k: { $lt: 10 } }, { $set: { low: true } }).modifiedCount;
answers.sorted = target.ranged.find().sort({ k: -1 }).limit(2).toArray().map((one) => one.k);
answers.grouped = target.ranged.aggregate([{ $group: { _id: "$low", n: { $sum: 1 } } }]).toArray().length;
answers.deleted = target.ranged.deleteOne({ k: 3 }).deletedCount;
answers.plan = target.ranged.find({ k: 5 }).explain().queryPlanner.winningPlan.stage;
answers.ops = db.getSiblingDB("admin").currentOp().inprog.length > 0;
answers.objects = target.stats().objects;
answers.stats = target.ranged.stats().sharded;
answers.distribution = Object.keys(target.hashed.getShardDistribution().value ?? {}).length > 0;
answers.collections = show_names(target);
answers.databases = db.adminCommand({ listDatabases: 1 }).databases.some((one) => one.name === target.getName());
answers.status = Object.keys(sh.status().value);

function show_names(database) {
  return database.getCollectionNames().sort();
}

print(`ANSWERS ${EJSON.stringify(answers)}`);
