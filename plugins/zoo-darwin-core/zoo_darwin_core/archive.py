"""The archive: tab-separated tables, what their columns are (meta.xml), and what the whole is (eml.xml)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

DWC = "http://rs.tdwg.org/dwc/terms/"
DCTERMS = "http://purl.org/dc/terms/"
OCCURRENCE = f"{DWC}Occurrence"
MULTIMEDIA = "http://rs.gbif.org/terms/1.0/Multimedia"
TEXT = "http://rs.tdwg.org/dwc/text/"
EML = "https://eml.ecoinformatics.org/eml-2.2.0"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
DUBLIN_CORE = frozenset(  # terms that Darwin Core takes from there
    {
        *("type", "format", "identifier", "title", "license", "modified", "language", "rightsHolder", "accessRights"),
        *("references", "created", "creator", "source", "description"),
    }
)
LICENSES = {  # the three that GBIF takes: identifier, name, address, and the words before the name
    "cc0-1.0": (
        "CC0-1.0",
        "Public Domain (CC0 1.0)",
        "http://creativecommons.org/publicdomain/zero/1.0/legalcode",
        "To the extent possible under law, the publisher has waived all rights to these data and has dedicated "
        "them to the ",
    ),
    "cc-by-4.0": (
        "CC-BY-4.0",
        "Creative Commons Attribution (CC-BY) 4.0 License",
        "http://creativecommons.org/licenses/by/4.0/legalcode",
        "This work is licensed under a ",
    ),
    "cc-by-nc-4.0": (
        "CC-BY-NC-4.0",
        "Creative Commons Attribution Non Commercial (CC-BY-NC) 4.0 License",
        "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
        "This work is licensed under a ",
    ),
}

Table = Mapping[str, Sequence[str]]  # columns by term


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What eml.xml says of the whole."""

    title: str
    creator: str  # `Lovelace, Ada` is a person, all else an organisation; "": nobody said
    email: str
    license: str  # of `LICENSES`; "": nobody said
    date: str  # 2026-01-02; "": not known
    abstract: str
    method: str


def write_archive(path: Path, occurrences: Table, media: Table, about: About) -> None:
    """Write the zip; its bytes depend on what is in it alone. Cells hold neither tabs nor ends of lines."""
    tables = {"occurrence.txt": _as_lines(occurrences), "multimedia.txt": _as_lines(media)}
    mark = hashlib.sha256(tables["occurrence.txt"]).hexdigest()[:32]
    files = {"meta.xml": _describe_tables(occurrences, media), "eml.xml": _describe_whole(about, mark), **tables}
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)  # dated 1980


def _as_lines(table: Table) -> bytes:
    rows = ["\t".join(table), *("\t".join(row) for row in zip(*table.values(), strict=True))]
    return "".join(f"{row}\n" for row in rows).encode()


def _describe_tables(occurrences: Table, media: Table) -> bytes:
    root = ET.Element("archive", {"xmlns": TEXT, "metadata": "eml.xml"})
    for tag, table, kind, key, location in (
        ("core", occurrences, OCCURRENCE, "id", "occurrence.txt"),
        ("extension", media, MULTIMEDIA, "coreid", "multimedia.txt"),
    ):
        layout = {
            "fieldsTerminatedBy": "\\t",
            "linesTerminatedBy": "\\n",
            "fieldsEnclosedBy": "",
            "ignoreHeaderLines": "1",
        }
        part = ET.SubElement(root, tag, {"rowType": kind, "encoding": "UTF-8", **layout})
        ET.SubElement(ET.SubElement(part, "files"), "location").text = location
        ET.SubElement(part, key, {"index": "0"})
        for index, term in enumerate(table):
            if tag == "core" or index:  # the first of an extension is no term, but the key
                ET.SubElement(part, "field", {"index": str(index), "term": _uri(term)})
    return _as_xml(root)


def _uri(term: str) -> str:
    return f"{DCTERMS if term in DUBLIN_CORE else DWC}{term}"


def _describe_whole(about: About, mark: str) -> bytes:
    names = {"xmlns:eml": EML, "packageId": f"zoo-{mark}", "system": "zoo", "scope": "system", XML_LANG: "en"}
    root = ET.Element("eml:eml", names)
    data = ET.SubElement(root, "dataset")
    ET.SubElement(data, "title", {XML_LANG: "en"}).text = about.title
    _add_party(data, "creator", about)
    if about.date:
        ET.SubElement(data, "pubDate").text = about.date
    ET.SubElement(data, "language").text = "en"
    _add_text(ET.SubElement(data, "abstract"), about.abstract)
    if about.license:
        _add_rights(data, *LICENSES[about.license])
    _add_party(data, "contact", about)
    step = ET.SubElement(ET.SubElement(data, "methods"), "methodStep")
    _add_text(ET.SubElement(step, "description"), about.method)
    return _as_xml(root)


def _add_party(parent: ET.Element, role: str, about: About) -> None:
    party = ET.SubElement(parent, role)
    last, comma, first = about.creator.partition(",")
    if comma:
        person = ET.SubElement(party, "individualName")
        ET.SubElement(person, "givenName").text = first.strip()
        ET.SubElement(person, "surName").text = last.strip()
    else:
        ET.SubElement(party, "organizationName").text = about.creator or "not stated"
    if about.email:
        ET.SubElement(party, "electronicMailAddress").text = about.email


def _add_rights(data: ET.Element, identifier: str, name: str, where: str, before: str) -> None:
    link = ET.SubElement(_add_text(ET.SubElement(data, "intellectualRights"), before), "ulink", {"url": where})
    ET.SubElement(link, "citetitle").text = name
    link.tail = "."
    licensed = ET.SubElement(data, "licensed")
    for tag, text in (("licenseName", name), ("url", where), ("identifier", identifier)):
        ET.SubElement(licensed, tag).text = text


def _add_text(parent: ET.Element, text: str) -> ET.Element:
    para = ET.SubElement(parent, "para")
    para.text = text
    return para


def _as_xml(root: ET.Element) -> bytes:
    ET.indent(root)
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"
