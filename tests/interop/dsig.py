"""XML signatures by signxml, for comparison with ours; exclusive canonical form only.

python dsig.py KEY.pem CERT.pem reads one job a line and answers each with one line, "ok" or "no" and why:
  sign SIGNATURE IN OUT
  verify FILE
"""

import sys

from lxml import etree
from signxml import DigestAlgorithm, SignatureConfiguration, SignatureMethod, XMLSigner, XMLVerifier, methods

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


def parse(name):
    with open(name, "rb") as file:
        return etree.fromstring(file.read(), etree.XMLParser(resolve_entities=False, huge_tree=True))


def sign(method, source, target, key, certificate):
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm=SignatureMethod[method],
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=EXCLUSIVE,
    )
    signed = signer.sign(parse(source), key=key, cert=certificate)
    with open(target, "wb") as file:
        file.write(etree.tostring(signed))


def verify(name, certificate):
    where = SignatureConfiguration(location="./", expect_references=1)
    XMLVerifier().verify(parse(name), x509_cert=certificate, expect_config=where)


def main():
    with open(sys.argv[1]) as file:
        key = file.read()
    with open(sys.argv[2]) as file:
        certificate = file.read()
    for line in sys.stdin:
        job = line.split()
        try:
            if job[0] == "sign":
                sign(job[1], job[2], job[3], key, certificate)
            else:
                verify(job[1], certificate)
            print("ok")
        except Exception as fault:
            print("no", type(fault).__name__, str(fault).replace("\n", " "))


main()
