// The shapes that the agencies exchange, as their descriptions have them. Types only.

export type Sex = 'female' | 'male';

/** Health → Portal, Justice. The weight, the hour and the number of children stay with Health. */
export interface Notification {
  readonly number: string;
  /** YYYY-MM-DD */
  readonly bornOn: string;
  readonly sex: Sex;
  readonly facility: string;
  readonly communeCode: string;
  readonly motherNumber: string;
  readonly intendedName: string;
}

export interface Person {
  readonly personalNumber: string;
  readonly name: string;
  readonly bornOn: string;
  readonly sex: Sex;
  readonly ethnicity: string;
  readonly nationality: string;
  readonly nativePlace: string;
}

export interface Household {
  readonly householdCode: string;
  readonly headName: string;
  readonly headNumber: string;
  readonly communeCode: string;
  readonly address: string;
}

/** The parent's declaration, as the Portal sends it to Justice. */
export interface BirthDossier {
  readonly caseId: string;
  readonly notificationNumber: string;
  readonly childName: string;
  readonly relation: string;
  readonly declarantNumber: string;
  readonly motherNumber: string;
  readonly fatherNumber?: string;
  readonly ethnicity: string;
  readonly nationality: string;
  readonly nativePlace: string;
  readonly copies: number;
}

/** Justice's record of a birth. */
export interface BirthCertificate {
  readonly caseId: string;
  readonly certificateNumber: string;
  /** 1, and one more for each correction. */
  readonly version: number;
  readonly registeredOn: string;
  readonly childName: string;
  readonly bornOn: string;
  readonly sex: Sex;
  readonly ethnicity: string;
  readonly nationality: string;
  readonly communeCode: string;
  readonly motherNumber: string;
  readonly fatherNumber: string | null;
  /** null: the number follows, the birth is registered all the same. */
  readonly personalNumber: string | null;
}

export interface NumberRequest {
  readonly caseId: string;
  readonly childName: string;
  readonly bornOn: string;
  readonly sex: Sex;
  readonly ethnicity: string;
  readonly nationality: string;
  readonly nativePlace: string;
  readonly provinceCode: string;
  readonly motherNumber: string;
  readonly fatherNumber?: string;
}

/** A correction that Justice made and others take over. */
export interface Correction {
  readonly caseId: string;
  readonly personalNumber: string;
  readonly version: number;
  readonly childName: string;
}

export interface ResidenceRequest {
  readonly caseId: string;
  readonly personalNumber: string;
  /** The parent whose household the child joins. */
  readonly parentNumber: string;
  readonly relationToHead: string;
}

export interface CardRequest {
  readonly caseId: string;
  readonly personalNumber: string;
  readonly clinicCode: string;
}

export interface Card {
  readonly cardCode: string;
  readonly personalNumber: string;
  readonly name: string;
  readonly validFrom: string;
  readonly clinicCode: string;
  readonly householdCode: string;
}

/** What Statistics learns of a birth: no name, no number, no case, no day. */
export interface BirthRecord {
  readonly recordId: string;
  /** YYYY-MM */
  readonly month: string;
  readonly sex: Sex;
  readonly provinceCode: string;
  readonly communeCode: string;
}
