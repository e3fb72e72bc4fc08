//! What is valid and what is not, construct by construct.

use super::expect;

const OK: &[&str] = &[];

#[test]
fn sequences_and_choices() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:element name="a" type="xs:string"/>
             <xs:choice minOccurs="0" maxOccurs="unbounded">
               <xs:element name="b" type="xs:string"/>
               <xs:sequence><xs:element name="c" type="xs:string"/><xs:element name="d" type="xs:string"/></xs:sequence>
             </xs:choice>
             <xs:element name="e" type="xs:string" minOccurs="0"/>
           </xs:sequence></xs:complexType></xs:element>"#,
        &[
            ("<r><a/></r>", OK),
            ("<r><a/><b/><c/><d/><b/><e/></r>", OK),
            ("<r/>", &["V03"]),
            ("<r><b/></r>", &["V03"]),
            ("<r><a/><c/><b/></r>", &["V03"]),
            ("<r><a/><e/><e/></r>", &["V02"]),
            ("<r><a/><e/><b/></r>", &["V02"]),
            ("<r><a/><x/><e/></r>", &["V02"]),
            ("<r><a/>text</r>", &["V07"]),
        ],
    );
}

#[test]
fn counted_occurrences_written_out() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:element name="a" type="xs:string" minOccurs="2" maxOccurs="3"/>
             <xs:sequence minOccurs="0" maxOccurs="2"><xs:element name="b" type="xs:string"/><xs:element name="c" type="xs:string"/></xs:sequence>
           </xs:sequence></xs:complexType></xs:element>"#,
        &[
            ("<r><a/><a/></r>", OK),
            ("<r><a/><a/><a/><b/><c/><b/><c/></r>", OK),
            ("<r><a/></r>", &["V03"]),
            ("<r><a/><a/><a/><a/></r>", &["V02"]),
            ("<r><a/><a/><b/><c/><b/><c/><b/><c/></r>", &["V02", "V02"]),
        ],
    );
}

#[test]
fn counted_occurrences_by_counter() {
    let many = |n: usize| format!("<r>{}<b/></r>", "<a/>".repeat(n));
    let (least, most, few, lots) = (many(100), many(1000), many(99), many(1001));
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:element name="a" type="xs:string" minOccurs="100" maxOccurs="1000"/><xs:element name="b" type="xs:string"/>
           </xs:sequence></xs:complexType></xs:element>"#,
        &[(&least, OK), (&most, OK), (&few, &["V03"]), (&lots, &["V02"]), ("<r><b/></r>", &["V03"])],
    );
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:any namespace="urn:o" processContents="skip" minOccurs="0" maxOccurs="70"/>
           </xs:sequence></xs:complexType></xs:element>"#,
        &[
            ("<r/>", OK),
            (&format!("<r>{}</r>", "<o:x/>".repeat(70)), OK),
            (&format!("<r>{}</r>", "<o:x/>".repeat(71)), &["V02"]),
        ],
    );
}

#[test]
fn a_large_count_of_a_group_is_written_out() {
    let pairs = |n: usize| format!("<r>{}</r>", "<a/><b/>".repeat(n));
    let (fine, wrong) = (pairs(1000), pairs(1001));
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence maxOccurs="1000">
             <xs:element name="a" type="xs:string"/><xs:element name="b" type="xs:string"/>
           </xs:sequence></xs:complexType></xs:element>"#,
        &[(&fine, OK), (&wrong, &["V02", "V02"])],
    );
}

#[test]
fn all_groups() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:all>
             <xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:string" minOccurs="0"/><xs:element name="c" type="xs:string"/>
           </xs:all></xs:complexType></xs:element>
           <xs:element name="s"><xs:complexType><xs:all minOccurs="0"><xs:element name="a" type="xs:string"/></xs:all></xs:complexType></xs:element>"#,
        &[
            ("<r><a>1</a><c/></r>", OK),
            ("<r><c/><b/><a>1</a></r>", OK),
            ("<r><c/><a>1</a><c/></r>", &["V02"]),
            ("<r><c/></r>", &["V03"]),
            ("<r><c/><a>x</a></r>", &["V06"]),
            ("<r><c/><a>1</a><z/></r>", &["V02"]),
            ("<s/>", OK),
            ("<s><a/></s>", OK),
        ],
    );
}

#[test]
fn groups_and_attribute_groups() {
    expect(
        r#"<xs:group name="g"><xs:sequence><xs:element name="a" type="xs:string"/><xs:element name="b" type="xs:string" minOccurs="0"/></xs:sequence></xs:group>
           <xs:attributeGroup name="h"><xs:attribute name="x" use="required" type="xs:int"/><xs:attributeGroup ref="i"/></xs:attributeGroup>
           <xs:attributeGroup name="i"><xs:attribute name="y"/></xs:attributeGroup>
           <xs:element name="r"><xs:complexType><xs:group ref="g" maxOccurs="2"/><xs:attributeGroup ref="h"/></xs:complexType></xs:element>"#,
        &[
            (r#"<r x="1"><a/><b/><a/></r>"#, OK),
            (r#"<r x="1" y=""><a/></r>"#, OK),
            ("<r><a/></r>", &["V05"]),
            (r#"<r x="1" z="2"><a/></r>"#, &["V04"]),
            (r#"<r x="one"><a/></r>"#, &["V06"]),
            (r#"<r x="1"><a/><a/><a/></r>"#, &["V02"]),
        ],
    );
}

#[test]
fn recursion_of_elements_and_types() {
    expect(
        r#"<xs:complexType name="T"><xs:sequence><xs:element name="t" type="T" minOccurs="0" maxOccurs="2"/></xs:sequence></xs:complexType>
           <xs:element name="r" type="T"/>"#,
        &[("<r><t><t/><t/></t></r>", OK), ("<r><t><t/><t/><t/></t></r>", &["V02"])],
    );
}

#[test]
fn extension_and_restriction() {
    expect(
        r#"<xs:complexType name="B"><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence>
             <xs:attribute name="x"/><xs:attribute name="y"/></xs:complexType>
           <xs:complexType name="E"><xs:complexContent><xs:extension base="B"><xs:sequence><xs:element name="b" type="xs:string"/></xs:sequence>
             <xs:attribute name="z" use="required"/></xs:extension></xs:complexContent></xs:complexType>
           <xs:complexType name="R"><xs:complexContent><xs:restriction base="B"><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence>
             <xs:attribute name="x" use="prohibited"/></xs:restriction></xs:complexContent></xs:complexType>
           <xs:element name="b" type="B"/><xs:element name="e" type="E"/><xs:element name="r" type="R"/>"#,
        &[
            (r#"<e x="" z=""><a/><b/></e>"#, OK),
            (r#"<e z=""><a/></e>"#, &["V03"]),
            ("<e><a/><b/></e>", &["V05"]),
            (r#"<r y=""><a/></r>"#, OK),
            (r#"<r x=""><a/></r>"#, &["V04"]),
            (r#"<b xsi:type="t:E" z=""><a/><b/></b>"#, OK),
            (r#"<b xsi:type="E" z=""><a/></b>"#, &["V03"]),
            (r#"<b xsi:type="t:R" x=""><a/></b>"#, &["V04"]),
        ],
    );
}

#[test]
fn simple_content() {
    expect(
        r#"<xs:complexType name="Q"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="U" use="required" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>
           <xs:complexType name="P"><xs:simpleContent><xs:restriction base="Q"><xs:maxInclusive value="100"/><xs:attribute name="U" use="required" type="xs:token"/></xs:restriction></xs:simpleContent></xs:complexType>
           <xs:element name="q" type="Q"/><xs:element name="p" type="P"/>"#,
        &[
            (r#"<q U="g"> 1.5 </q>"#, OK),
            (r#"<q U="g">1,5</q>"#, &["V06"]),
            (r#"<q U="g"/>"#, &["V06"]),
            (r#"<q U="g">1<b/>2</q>"#, &["V02"]),
            (r#"<p U="">99.5</p>"#, OK),
            (r#"<p U="">101</p>"#, &["V06"]),
            (r#"<p>1</p>"#, &["V05"]),
            (r#"<q U="g">1<!-- in pieces -->.<![CDATA[5]]>&#48;</q>"#, OK),
        ],
    );
}

#[test]
fn mixed_and_empty_content() {
    expect(
        r#"<xs:element name="m"><xs:complexType mixed="true"><xs:sequence><xs:element name="a" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
           <xs:element name="n"><xs:complexType><xs:attribute name="V"/></xs:complexType></xs:element>
           <xs:element name="o"><xs:complexType><xs:sequence><xs:element name="a" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>"#,
        &[
            ("<m>text <a/> text</m>", OK),
            ("<m>text<a/><a/></m>", &["V02"]),
            ("<n/>", OK),
            ("<n></n>", OK),
            ("<n>text</n>", &["V07"]),
            ("<n><a/></n>", &["V02"]),
            ("<o>\n</o>", OK),
            ("<o>\n<a/>&#13;\t</o>", OK),
            ("<o>one<a/>two</o>", &["V07"]),
        ],
    );
}

#[test]
fn an_empty_type_takes_not_even_white_space() {
    expect(
        r#"<xs:element name="n"><xs:complexType/></xs:element>"#,
        &[("<n> </n>", &["V07"]), ("<n><!-- c --></n>", OK)],
    );
}

#[test]
fn attributes_fixed_default_and_qualified() {
    expect(
        r#"<xs:attribute name="g" type="xs:int"/>
           <xs:element name="r"><xs:complexType>
             <xs:attribute name="f" fixed="01" type="xs:int"/><xs:attribute name="d" default="x"/>
             <xs:attribute ref="g" use="required"/><xs:attribute name="q" form="qualified"/>
           </xs:complexType></xs:element>"#,
        &[
            (r#"<r t:g="1"/>"#, OK),
            (r#"<r t:g="1" f="1" d="" t:q=""/>"#, OK),
            (r#"<r t:g="1" f="2"/>"#, &["V08"]),
            (r#"<r g="1"/>"#, &["V05", "V04"]),
            (r#"<r t:g="1" q=""/>"#, &["V04"]),
            (r#"<r t:g="1" xsi:schemaLocation="urn:t nowhere.xsd" xsi:noNamespaceSchemaLocation="x"/>"#, OK),
        ],
    );
}

#[test]
fn elements_fixed_and_default() {
    expect(
        r#"<xs:element name="f" type="xs:decimal" fixed="1.0"/><xs:element name="d" type="xs:int" default="7"/>
           <xs:element name="m" fixed="so"><xs:complexType mixed="true"><xs:sequence><xs:element name="a" minOccurs="0" type="xs:string"/></xs:sequence></xs:complexType></xs:element>"#,
        &[
            ("<f>1.00</f>", OK),
            ("<f/>", OK),
            ("<f>2</f>", &["V08"]),
            ("<f>x</f>", &["V06"]),
            ("<d/>", OK),
            ("<d> </d>", &["V06"]),
            ("<d>3</d>", OK),
            ("<m>so</m>", OK),
            ("<m/>", OK),
            ("<m>not</m>", &["V08"]),
            ("<m>so<a/></m>", &["V08"]),
        ],
    );
}

#[test]
fn nil() {
    expect(
        r#"<xs:element name="n" nillable="true"><xs:complexType><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence><xs:attribute name="x" use="required"/></xs:complexType></xs:element>
           <xs:element name="i" type="xs:int" nillable="true"/><xs:element name="j" type="xs:int"/>"#,
        &[
            (r#"<n x="" xsi:nil="true"/>"#, OK),
            (r#"<n x="" xsi:nil="1"></n>"#, OK),
            (r#"<n xsi:nil="true"/>"#, &["V05"]),
            (r#"<n x="" xsi:nil="true"><a/></n>"#, &["V02"]),
            (r#"<n x="" xsi:nil="false"><a/></n>"#, OK),
            (r#"<i xsi:nil="true"/>"#, OK),
            (r#"<i xsi:nil="true">1</i>"#, &["V07"]),
            (r#"<i xsi:nil="yes">1</i>"#, &["V06"]),
            (r#"<i xsi:nil="false"/>"#, &["V06"]),
            (r#"<j xsi:nil="true"/>"#, &["V06", "V10"]),
            (r#"<j xsi:nil="false">1</j>"#, &["V10"]),
        ],
    );
}

#[test]
fn xsi_type() {
    expect(
        r#"<xs:complexType name="A" abstract="true"><xs:sequence/></xs:complexType>
           <xs:complexType name="B"><xs:complexContent><xs:extension base="A"><xs:attribute name="b" use="required"/></xs:extension></xs:complexContent></xs:complexType>
           <xs:complexType name="C"><xs:complexContent><xs:restriction base="B"><xs:attribute name="b" use="required" fixed="1"/></xs:restriction></xs:complexContent></xs:complexType>
           <xs:complexType name="N"><xs:sequence/></xs:complexType>
           <xs:simpleType name="S"><xs:restriction base="xs:string"><xs:maxLength value="2"/></xs:restriction></xs:simpleType>
           <xs:element name="a" type="A"/><xs:element name="k" type="A" block="restriction"/><xs:element name="e" type="A" block="extension"/>
           <xs:element name="s" type="xs:string"/><xs:element name="any"/>"#,
        &[
            ("<a/>", &["V10"]),
            (r#"<a xsi:type="B" b=""/>"#, OK),
            (r#"<a xsi:type="B"/>"#, &["V05"]),
            (r#"<a xsi:type=" t:C " b="1"/>"#, OK),
            (r#"<a xsi:type="t:C" b="2"/>"#, &["V08"]),
            (r#"<a xsi:type="N"/>"#, &["V10", "V10"]),
            (r#"<k xsi:type="B" b="1"/>"#, OK),
            (r#"<k xsi:type="C" b="1"/>"#, &["V10", "V10", "V04"]),
            (r#"<e xsi:type="B" b="1"/>"#, &["V10", "V10", "V04"]),
            (r#"<s xsi:type="S">ab</s>"#, OK),
            (r#"<s xsi:type="S">abc</s>"#, &["V06"]),
            (r#"<s xsi:type="xs:token">abc</s>"#, OK),
            (r#"<s xsi:type="xs:int">1</s>"#, &["V10"]),
            (r#"<s xsi:type="no:such">1</s>"#, &["V10"]),
            (r#"<any xsi:type="xs:int">x</any>"#, &["V06"]),
            (r#"<any><o:x y="1">free</o:x></any>"#, OK),
            (r#"<any><t:s xsi:type="S">abc</t:s></any>"#, &["V06"]),
        ],
    );
}

#[test]
fn block_on_the_type() {
    expect(
        r#"<xs:complexType name="A" block="extension"><xs:sequence/></xs:complexType>
           <xs:complexType name="B"><xs:complexContent><xs:extension base="A"><xs:attribute name="b"/></xs:extension></xs:complexContent></xs:complexType>
           <xs:element name="a" type="A"/>"#,
        &[("<a/>", OK), (r#"<a xsi:type="A"/>"#, OK), (r#"<a xsi:type="B"/>"#, &["V10"])],
    );
}

#[test]
fn substitution_groups() {
    expect(
        r#"<xs:element name="head" type="xs:string" abstract="true"/>
           <xs:element name="one" substitutionGroup="head"/>
           <xs:element name="two" substitutionGroup="one" type="xs:token"/>
           <xs:element name="shut" type="xs:string" block="substitution"/>
           <xs:element name="in" substitutionGroup="shut" type="xs:string"/>
           <xs:element name="r"><xs:complexType><xs:sequence><xs:element ref="head" maxOccurs="unbounded"/><xs:element ref="shut" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
           <xs:element name="l"><xs:complexType><xs:all><xs:element ref="head"/></xs:all></xs:complexType></xs:element>"#,
        &[
            ("<r><one/><two>x</two></r>", OK),
            ("<r><head/></r>", &["V10"]),
            ("<r><one/><shut/></r>", OK),
            ("<r><one/><in/></r>", &["V02"]),
            ("<l><two/></l>", OK),
            ("<l><two/><one/></l>", &["V02"]),
        ],
    );
}

#[test]
fn element_wildcards() {
    let declarations = |namespace: &str, process: &str| {
        format!(
            r#"<xs:element name="g" type="xs:int"/>
               <xs:element name="r"><xs:complexType><xs:sequence><xs:any namespace="{namespace}" processContents="{process}" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>"#
        )
    };
    expect(
        &declarations("##any", "strict"),
        &[
            ("<r><g>1</g></r>", OK),
            ("<r><g>x</g></r>", &["V06"]),
            ("<r><h/></r>", &["V11"]),
            ("<r><o:h><g>x</g></o:h></r>", &["V11"]),
        ],
    );
    expect(
        &declarations("##any", "lax"),
        &[
            ("<r><g>x</g></r>", &["V06"]),
            ("<r><o:h><g>x</g></o:h></r>", &["V06"]),
            ("<r><o:h y=''>free<g>1</g></o:h></r>", OK),
            (r#"<r><n xmlns=""/></r>"#, OK),
        ],
    );
    expect(&declarations("##any", "skip"), &[("<r><g>x</g></r>", OK), ("<r><o:h><g>x</g></o:h></r>", OK)]);
    expect(
        &declarations("##other", "skip"),
        &[("<r><o:h/></r>", OK), ("<r><g>1</g></r>", &["V02"]), (r#"<r><n xmlns=""/></r>"#, &["V02"])],
    );
    expect(
        &declarations("##targetNamespace", "lax"),
        &[("<r><g>1</g><x/></r>", OK), ("<r><o:h/></r>", &["V02"])],
    );
    expect(
        &declarations("##local urn:o", "skip"),
        &[(r#"<r><o:h/><n xmlns=""/></r>"#, OK), ("<r><g>1</g></r>", &["V02"])],
    );
}

#[test]
fn a_name_and_wildcards_in_turn() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:choice maxOccurs="unbounded">
               <xs:element name="a" type="xs:int"/>
               <xs:any namespace="urn:o" processContents="skip"/>
               <xs:any namespace='##local' processContents="skip"/>
             </xs:choice><xs:element name="b" type="xs:string"/>
           </xs:sequence></xs:complexType></xs:element>"#,
        &[
            (r#"<r><o:x/><a>1</a><n xmlns=""/><o:y/><b/></r>"#, OK),
            ("<r><a>x</a><b/></r>", &["V06"]),
            (r#"<r><n xmlns="urn:p"/><b/></r>"#, &["V02"]),
        ],
    );
}

#[test]
fn attribute_wildcards() {
    expect(
        r#"<xs:attribute name="g" type="xs:int"/>
           <xs:element name="any"><xs:complexType><xs:anyAttribute processContents="lax"/></xs:complexType></xs:element>
           <xs:element name="other"><xs:complexType><xs:anyAttribute namespace='##other' processContents="skip"/></xs:complexType></xs:element>
           <xs:element name="strict"><xs:complexType><xs:anyAttribute namespace='##any'/></xs:complexType></xs:element>
           <xs:complexType name="B"><xs:anyAttribute namespace="urn:o" processContents="skip"/></xs:complexType>
           <xs:complexType name="E"><xs:complexContent><xs:extension base="B"><xs:anyAttribute namespace='##local' processContents="skip"/></xs:extension></xs:complexContent></xs:complexType>
           <xs:element name="e" type="E"/>"#,
        &[
            (r#"<any x="" o:y="" t:g="1"/>"#, OK),
            (r#"<any t:g="x"/>"#, &["V06"]),
            (r#"<other o:y=""/>"#, OK),
            (r#"<other y=""/>"#, &["V04"]),
            (r#"<other t:g="1"/>"#, &["V04"]),
            (r#"<strict t:g="1"/>"#, OK),
            (r#"<strict o:y="1"/>"#, &["V11"]),
            (r#"<e o:y="" x=""/>"#, OK),
            (r#"<e t:g="1"/>"#, &["V04"]),
        ],
    );
}

#[test]
fn lists_unions_and_facets() {
    expect(
        r#"<xs:simpleType name="L"><xs:list itemType="xs:int"/></xs:simpleType>
           <xs:simpleType name="L2"><xs:restriction base="L"><xs:length value="2"/></xs:restriction></xs:simpleType>
           <xs:simpleType name="U"><xs:union memberTypes="xs:date xs:gYear"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="ukjent"/></xs:restriction></xs:simpleType></xs:union></xs:simpleType>
           <xs:simpleType name="C"><xs:restriction base="xs:token"><xs:enumeration value="A"/><xs:enumeration value="B"/></xs:restriction></xs:simpleType>
           <xs:element name="l" type="L2"/><xs:element name="u" type="U"/><xs:element name="c" type="C"/>
           <xs:element name="r"><xs:complexType><xs:attribute name="l" type="L"/><xs:attribute name="u" type="U"/></xs:complexType></xs:element>"#,
        &[
            ("<l> 1 \n 2 </l>", OK),
            ("<l>1</l>", &["V06"]),
            ("<l>1 b</l>", &["V06"]),
            ("<u>2020-01-31</u>", OK),
            ("<u>2020</u>", OK),
            ("<u>ukjent</u>", OK),
            ("<u>2020-02-31</u>", &["V06"]),
            ("<c> A </c>", OK),
            ("<c>a</c>", &["V06"]),
            (r#"<r l="1 2 3" u="1999"/>"#, OK),
            (r#"<r l="x" u="y"/>"#, &["V06", "V06"]),
        ],
    );
}

#[test]
fn ids_and_references() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:choice minOccurs="0" maxOccurs="unbounded">
             <xs:element name="a"><xs:complexType><xs:attribute name="id" type="xs:ID"/><xs:attribute name="to" type="xs:IDREF"/><xs:attribute name="all" type="xs:IDREFS"/></xs:complexType></xs:element>
             <xs:element name="i" type="xs:ID"/><xs:element name="f" type="xs:IDREF"/>
           </xs:choice></xs:complexType></xs:element>"#,
        &[
            (r#"<r><a to="y"/><a id="x"/><i> y </i><f>x</f><a all="x  y"/></r>"#, OK),
            (r#"<r><a id="x"/><a id=" x"/></r>"#, &["V09"]),
            (r#"<r><a id="x"/><i>x</i></r>"#, &["V09"]),
            (r#"<r><a id="1"/></r>"#, &["V06"]),
            (r#"<r><a to="z"/></r>"#, &["V09"]),
            (r#"<r><i>x</i><a all="x z"/></r>"#, &["V09"]),
        ],
    );
}

#[test]
fn keys_and_their_references() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:element name="k" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="n" type="xs:int" minOccurs="0" maxOccurs="2"/></xs:sequence><xs:attribute name="a" type="xs:decimal"/></xs:complexType></xs:element>
             <xs:element name="f" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:attribute name="a" type="xs:decimal"/><xs:attribute name="n" type="xs:int"/></xs:complexType></xs:element>
           </xs:sequence></xs:complexType>
           <xs:key name="key" xmlns:p="urn:t"><xs:selector xpath="p:k"/><xs:field xpath="@a"/><xs:field xpath="p:n"/></xs:key>
           <xs:keyref name="ref" refer="key" xmlns:p="urn:t"><xs:selector xpath="./p:f"/><xs:field xpath="@a"/><xs:field xpath="@n"/></xs:keyref>
           </xs:element>
           <xs:element name="u"><xs:complexType><xs:sequence><xs:any processContents="lax" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
             <xs:unique name="uni" xmlns:p="urn:t"><xs:selector xpath=".//p:v | p:w"/><xs:field xpath="."/></xs:unique></xs:element>
           <xs:element name="v" type="xs:int"/><xs:element name="w" type="xs:string"/>"#,
        &[
            (r#"<r><k a="1"><n>1</n></k><k a="1"><n>2</n></k><f a="1.0" n="02"/></r>"#, OK),
            (r#"<r><k a="1"><n>1</n></k><k a="1.0"><n>01</n></k></r>"#, &["V09"]),
            (r#"<r><k a="1"/></r>"#, &["V09"]),
            (r#"<r><k><n>1</n></k></r>"#, &["V09"]),
            (r#"<r><k a="1"><n>1</n><n>2</n></k></r>"#, &["V09"]),
            (r#"<r><f a="1" n="1"/></r>"#, &["V09"]),
            (r#"<r><f a="1"/></r>"#, OK),
            ("<u><v>1</v><v>2</v><w>1</w><w>3</w></u>", OK),
            ("<u><v>1</v><o:x><v>01</v></o:x></u>", &["V09"]),
            ("<u><w>1</w><w>1</w></u>", &["V09"]),
            ("<u><w>1</w><o:x><w>1</w></o:x></u>", OK),
        ],
    );
}

#[test]
fn a_key_reference_sees_the_keys_below_it_and_no_others() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence>
             <xs:element name="g" maxOccurs="unbounded" type="G"><xs:key name="key"><xs:selector xpath="k"/><xs:field xpath="@a"/></xs:key></xs:element>
             <xs:element name="h" type="G"><xs:keyref name="inner" refer="key"><xs:selector xpath="f"/><xs:field xpath="@a"/></xs:keyref></xs:element>
             <xs:element name="f" form="unqualified" minOccurs="0"><xs:complexType><xs:attribute name="a"/></xs:complexType></xs:element>
           </xs:sequence></xs:complexType>
           <xs:keyref name="outer" refer="key"><xs:selector xpath="f"/><xs:field xpath="@a"/></xs:keyref>
           </xs:element>
           <xs:complexType name="G"><xs:sequence>
             <xs:element name="k" form="unqualified" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:attribute name="a"/></xs:complexType></xs:element>
             <xs:element name="f" form="unqualified" minOccurs="0"><xs:complexType><xs:attribute name="a"/></xs:complexType></xs:element>
           </xs:sequence></xs:complexType>"#,
        &[
            (r#"<r><g><k xmlns="" a="1"/></g><g><k xmlns="" a="2"/></g><h/><f xmlns="" a="1"/></r>"#, OK),
            // Two elements have this key: it stands for neither.
            (
                r#"<r><g><k xmlns="" a="1"/></g><g><k xmlns="" a="1"/></g><h/><f xmlns="" a="1"/></r>"#,
                &["V09"],
            ),
            (r#"<r><g><k xmlns="" a="1"/></g><h/><f xmlns="" a="2"/></r>"#, &["V09"]),
            (r#"<r><g><k xmlns="" a="1"/></g><h><f xmlns="" a="1"/></h></r>"#, &["V09"]),
        ],
    );
}

#[test]
fn names_as_values() {
    expect(
        r#"<xs:element name="q" type="xs:QName"/>
           <xs:element name="e"><xs:simpleType><xs:restriction base="xs:QName"><xs:enumeration value="one"/></xs:restriction></xs:simpleType></xs:element>
           <xs:element name="r"><xs:complexType><xs:attribute name="q" type="xs:QName"/></xs:complexType></xs:element>"#,
        &[
            ("<q>t:x</q>", OK),
            ("<q>x</q>", OK),
            ("<q>p:x</q>", &["V06"]),
            ("<q xmlns:p='urn:p'>p:x</q>", OK),
            ("<e>t:one</e>", OK),
            ("<e>o:one</e>", &["V06"]),
            (r#"<r q="t:x"/>"#, OK),
            (r#"<r q="p:x"/>"#, &["V06"]),
        ],
    );
}

#[test]
fn an_ambiguous_model_is_tolerated() {
    // Unique Particle Attribution forbids this; both readings are allowed.
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:choice>
             <xs:sequence><xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int"/></xs:sequence>
             <xs:sequence><xs:element name="a" type="xs:int"/><xs:element name="c" type="xs:int"/></xs:sequence>
           </xs:choice></xs:complexType></xs:element>"#,
        &[("<r><a>1</a><b>1</b></r>", OK), ("<r><a>1</a><c>1</c></r>", OK), ("<r><a>1</a></r>", &["V03"])],
    );
}

#[test]
fn local_elements_without_namespace() {
    expect(
        r#"<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="a" form="unqualified" type="xs:int"/></xs:sequence></xs:complexType></xs:element>"#,
        &[(r#"<r><a xmlns="">1</a></r>"#, OK), ("<r><a>1</a></r>", &["V02"])],
    );
}
