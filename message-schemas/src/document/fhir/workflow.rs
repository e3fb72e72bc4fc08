//! Orders, bookings and talk.

use super::Text;
use super::datatypes::{
    Annotation, CodeableConcept, DateTime, Extension, Identifier, Meta, Period, Reference,
};
use uuid::Uuid;

resource_struct! {
    /// An order or a referral.
    ServiceRequest<'a> {
        id: Option<Uuid>,
        meta: Option<Meta<'a>>,
        extension: Vec<Extension<'a>>,
        identifier: Vec<Identifier<'a>>,
        based_on: Vec<Reference<'a>>,
        requisition: Option<Identifier<'a>>,
        status: Option<&'static str>,
        intent: Option<&'static str>,
        category: Vec<CodeableConcept<'a>>,
        priority: Option<&'static str>,
        code: Option<CodeableConcept<'a>>,
        order_detail: Vec<CodeableConcept<'a>>,
        subject: Option<&'a Reference<'a>>,
        encounter: Option<Reference<'a>>,
        occurrence_date_time: Option<DateTime>,
        occurrence_period: Option<Period>,
        authored_on: Option<DateTime>,
        requester: Option<Reference<'a>>,
        performer_type: Option<CodeableConcept<'a>>,
        performer: Vec<Reference<'a>>,
        location_code: Vec<CodeableConcept<'a>>,
        reason_code: Vec<CodeableConcept<'a>>,
        reason_reference: Vec<Reference<'a>>,
        supporting_info: Vec<Reference<'a>>,
        specimen: Vec<Reference<'a>>,
        body_site: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
        patient_instruction: Option<Text<'a>>,
    }
}

resource_struct! {
    /// A booked or proposed time.
    Appointment<'a> {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        status: Option<&'static str>,
        service_type: Vec<CodeableConcept<'a>>,
        description: Option<Text<'a>>,
        start: Option<DateTime>,
        end: Option<DateTime>,
        comment: Option<Text<'a>>,
        participant: Vec<Participant<'a>>,
    }
}

resource_struct! {
    /// Who takes part in an appointment.
    Participant<'a> {
        actor: Option<&'a Reference<'a>>,
        status: Option<&'static str>,
    }
}

resource_struct! {
    /// Something said to somebody.
    Communication<'a> {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        based_on: Vec<Reference<'a>>,
        in_response_to: Vec<Reference<'a>>,
        status: Option<&'static str>,
        category: Vec<CodeableConcept<'a>>,
        priority: Option<&'static str>,
        subject: Option<&'a Reference<'a>>,
        topic: Option<CodeableConcept<'a>>,
        encounter: Option<Reference<'a>>,
        sent: Option<DateTime>,
        recipient: Vec<Reference<'a>>,
        sender: Option<Reference<'a>>,
        reason_code: Vec<CodeableConcept<'a>>,
        payload: Vec<Payload<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// Something asked of somebody.
    CommunicationRequest<'a> {
        id: Option<Uuid>,
        identifier: Vec<Identifier<'a>>,
        based_on: Vec<Reference<'a>>,
        status: Option<&'static str>,
        category: Vec<CodeableConcept<'a>>,
        priority: Option<&'static str>,
        subject: Option<&'a Reference<'a>>,
        encounter: Option<Reference<'a>>,
        payload: Vec<Payload<'a>>,
        occurrence_date_time: Option<DateTime>,
        authored_on: Option<DateTime>,
        requester: Option<Reference<'a>>,
        recipient: Vec<Reference<'a>>,
        sender: Option<Reference<'a>>,
        reason_code: Vec<CodeableConcept<'a>>,
        note: Vec<Annotation<'a>>,
    }
}

resource_struct! {
    /// What is said or asked.
    Payload<'a> {
        content: Text<'a> = "contentString",
    }
}
