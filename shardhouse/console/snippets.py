"""Code that connects to an instance, for the drivers that most people use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    """A language or program, and text to copy."""

    name: str
    text: str


def of(uri: str) -> list[Snippet]:
    """One for each driver; the password in `uri` is masked, as the API never tells it."""
    return [Snippet(name, text.replace("URI", uri)) for name, text in _TEXTS.items()]


_TEXTS = {
    "mongosh": "mongosh 'URI'",
    "Python": """\
from pymongo import MongoClient

client = MongoClient("URI")
print(client.admin.command("ping"))""",
    "Node.js": """\
const { MongoClient } = require("mongodb");

const client = new MongoClient("URI");
await client.connect();
console.log(await client.db("admin").command({ ping: 1 }));""",
    "Java": """\
import com.mongodb.client.MongoClients;
import org.bson.Document;

try (var client = MongoClients.create("URI")) {
    System.out.println(client.getDatabase("admin").runCommand(new Document("ping", 1)));
}""",
    "Go": """\
client, err := mongo.Connect(options.Client().ApplyURI("URI"))
if err != nil {
    log.Fatal(err)
}
err = client.Ping(context.Background(), nil)""",
    "C#": """\
using MongoDB.Bson;
using MongoDB.Driver;

var client = new MongoClient("URI");
Console.WriteLine(client.GetDatabase("admin").RunCommand<BsonDocument>("{ ping: 1 }"));""",
    "Rust": """\
let client = mongodb::Client::with_uri_str("URI").await?;
client.database("admin").run_command(mongodb::bson::doc! { "ping": 1 }).await?;""",
}
