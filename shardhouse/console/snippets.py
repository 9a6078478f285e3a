"""Programs that connect to an instance, for the drivers that most people use. Each is whole: with
the password put in, it runs where its driver is installed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    """A language or program, what gets its driver, and text to copy."""

    name: str
    install: str
    text: str


def of(uri: str, authority: str) -> list[Snippet]:
    """One for each driver. `uri` has neither a password, which the API never tells, nor what TLS
    needs; `authority` is the file of the certificate to trust, empty without TLS."""
    tls = f"{uri}&tls=true" if authority else uri
    full = f"{tls}&tlsCAFile={authority}" if authority else uri
    found = [
        Snippet(name, install, text.replace("URI", full))
        for name, (install, text) in _TEXTS.items()
    ]
    java, sharp = (_JAVA_TLS, _C_SHARP_TLS) if authority else ("", _C_SHARP)
    return [
        *found,
        Snippet("Java", _JAVA_INSTALL, java + _JAVA.replace("URI", tls)),
        Snippet("C#", _C_SHARP_INSTALL, sharp.replace("URI", tls).replace("FILE", authority)),
    ]


_TEXTS = {
    "mongosh": ("apt install mongodb-mongosh, or npm install -g mongosh", "mongosh 'URI'"),
    "Python": (
        "pip install pymongo",
        """\
from pymongo import MongoClient

with MongoClient("URI") as client:
    print(client.admin.command("ping"))""",
    ),
    "Node.js": (
        "npm install mongodb; saved as ping.mjs",
        """\
import { MongoClient } from "mongodb";

const client = new MongoClient("URI");
console.log(await client.db("admin").command({ ping: 1 }));
await client.close();""",
    ),
    "Go": (
        "go get go.mongodb.org/mongo-driver/v2/mongo",
        """\
package main

import (
	"context"
	"fmt"
	"log"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func main() {
	client, err := mongo.Connect(options.Client().ApplyURI("URI"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	fmt.Println(client.Ping(context.Background(), nil))
}""",
    ),
    "Rust": (
        "cargo add mongodb tokio --features tokio/full",
        """\
use mongodb::{bson::doc, Client};

#[tokio::main]
async fn main() -> mongodb::error::Result<()> {
    let client = Client::with_uri_str("URI").await?;
    println!("{}", client.database("admin").run_command(doc! { "ping": 1 }).await?);
    Ok(())
}""",
    ),
}
_JAVA_INSTALL = "org.mongodb:mongodb-driver-sync; saved as Ping.java"
#: The driver knows no file of an authority: Java keeps those it trusts in stores.
_JAVA_TLS = """\
// keytool -importcert -noprompt -file ca.pem -keystore trust.p12 -storepass changeit
// java -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit ...
"""
_JAVA = """\
import com.mongodb.client.MongoClients;
import org.bson.Document;

public class Ping {
    public static void main(String[] args) {
        try (var client = MongoClients.create("URI")) {
            System.out.println(client.getDatabase("admin").runCommand(new Document("ping", 1)));
        }
    }
}"""
_C_SHARP_INSTALL = "dotnet add package MongoDB.Driver"
_C_SHARP = """\
using MongoDB.Bson;
using MongoDB.Driver;

var client = new MongoClient("URI");
Console.WriteLine(client.GetDatabase("admin").RunCommand<BsonDocument>("{ ping: 1 }"));"""
#: Nor does this one: what is trusted is said to the library that checks certificates.
_C_SHARP_TLS = """\
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using MongoDB.Bson;
using MongoDB.Driver;

var settings = MongoClientSettings.FromConnectionString("URI");
settings.SslSettings = new SslSettings
{
    ServerCertificateValidationCallback = (_, certificate, chain, errors) =>
    {
        if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0) return false;
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(new X509Certificate2("FILE"));
        return chain.Build(new X509Certificate2(certificate));
    },
};
var client = new MongoClient(settings);
Console.WriteLine(client.GetDatabase("admin").RunCommand<BsonDocument>("{ ping: 1 }"));"""
